/**
 * Verifies the log without a secret: every batch continues the one before, every segment is the one that its batch names, every writer's
 * segments are there in their order, and the log contains the checkpoints that somebody kept. With the seal keys, segments are opened
 * besides. Memory does not grow with the log.
 */

import { AUDIT_UNBATCHED_MS } from '../../audit-limits.ts';
import { mapBounded } from '../../concurrency/map-bounded.ts';
import { S3Error } from '../../errors.ts';
import type { StateStore } from '../../keyring/state/state.ts';
import { batchesBefore, firstBatchFrom, newestBatch } from '../batches.ts';
import { BATCH_NAMES, batchName, type Chain, parseBatch } from '../format/batch.ts';
import {
  minuteOf,
  minuteStart,
  parseSegment,
  parseSegmentName,
  SEGMENT_NAMES,
  type SegmentHeader,
  type SegmentName,
  sha256Of,
} from '../format/segment.ts';
import { type SignedNote, type Verifier, verifierText } from '../format/signed-note.ts';
import type { SegmentReader } from '../segment-reader.ts';
import { walkBatches } from './chain-walk.ts';
import { FINDINGS, type Finding, type FindingKind, type TellFinding } from './findings.ts';
import { KeptCheckpoints } from './kept-checkpoints.ts';
import { ListedSegments } from './listed-segments.ts';
import { Writers } from './writers.ts';

export interface VerifyOptions {
  /** Where the log is. */
  readonly store: StateStore;
  /** With the seal keys; undefined without. */
  readonly reader: SegmentReader | undefined;
  /** Whether one of the seal keys at hand signs so; undefined without them. */
  readonly isOurs: ((signer: Verifier) => boolean) | undefined;
  /** Keys that checkpoints must be signed by. */
  readonly pinned: readonly Verifier[];
  readonly kept: readonly SignedNote[];
  /** Nothing before is looked at. */
  readonly since: Date | undefined;
  readonly now: Date;
  readonly onFinding: (finding: Finding) => void;
}

export interface Verification {
  readonly batches: number;
  readonly segments: number;
  /** Segments that were removed after their time. */
  readonly pruned: number;
  readonly events: number;
  /** Segments that no checkpoint covers yet. */
  readonly pending: number;
  /** Writers that have not ended. */
  readonly writers: number;
  readonly tampered: number;
  readonly incomplete: number;
  /** By what it is known who signed: nothing, when undefined. */
  readonly authenticatedBy: 'key' | 'seal keys' | 'checkpoint' | undefined;
  readonly signer: string | undefined;
  readonly checkpoint: string | undefined;
  /** Whether the store says which versions there are. */
  readonly versionsSeen: boolean;
}

const READS_AT_ONCE = 8;

/** @throws S3Error ServiceUnavailable */
export async function verifyLog(o: VerifyOptions, signal: AbortSignal): Promise<Verification> {
  const counted = { tampered: 0, incomplete: 0 };
  const tell: TellFinding = (kind: FindingKind, name, detail) => {
    const severity = FINDINGS[kind];
    counted[severity] += 1;
    o.onFinding({ kind, severity, name, detail });
  };
  const versionsSeen = await checkVersions(o.store, tell, signal);
  const log = new LogWalk(o, tell);
  const result = await log.run(signal);
  return { ...result, ...counted, versionsSeen };
}

/** Names that the store has more than one version of, or a delete marker. @returns false where it does not say */
async function checkVersions(store: StateStore, tell: TellFinding, signal: AbortSignal): Promise<boolean> {
  try {
    for (const prefix of [BATCH_NAMES, SEGMENT_NAMES]) {
      let before = '';
      for await (const { name, isMarker } of store.listVersions(prefix, signal)) {
        if (isMarker) tell('second-version', name, 'it was deleted, or written over a deletion');
        else if (name === before) tell('second-version', name, 'it was written more than once');
        before = isMarker ? before : name;
      }
    }
    return true;
  } catch (error) {
    if (!(error instanceof S3Error)) throw error;
    signal.throwIfAborted();
    return false;
  }
}

class LogWalk {
  readonly #o: VerifyOptions;
  readonly #tell: TellFinding;
  readonly #signers = new Map<string, Verifier>();
  readonly #done = { batches: 0, segments: 0, pruned: 0, events: 0, pending: 0 };
  #prunedBefore = '';

  constructor(o: VerifyOptions, tell: TellFinding) {
    this.#o = o;
    this.#tell = tell;
  }

  async run(signal: AbortSignal) {
    const { store, since, now } = this.#o;
    const from = since === undefined ? 0 : await firstBatchAt(store, since, signal);
    this.#prunedBefore = await announcedPruning(store, signal);
    const writers = new Writers({ tell: this.#tell, isPart: since !== undefined });
    const kept = new KeptCheckpoints(this.#o.kept, this.#tell);
    const after = since && minuteOf(new Date(since.getTime() + AUDIT_UNBATCHED_MS));
    const listed = new ListedSegments(store, { after, prunedBefore: this.#prunedBefore, tell: this.#tell }, signal);
    let chain: Chain | undefined;
    const isTrusted = (signer: Verifier) => this.#isKnown(signer);
    for await (const step of walkBatches({ store, tell: this.#tell, isTrusted, from }, signal)) {
      chain = step.chain;
      const names = step.batch.segments.map((name) => SEGMENT_NAMES + name);
      this.#signers.set(step.batch.signer, chain.signer);
      this.#done.batches += 1;
      kept.compare(chain, names.length);
      await listed.takeBatch(names, new Date(step.batch.time));
      await this.#checkSegments(names, writers, signal);
    }
    kept.finish(chain?.size ?? 0);
    await this.#checkRest(await listed.rest(), { writers, chain }, signal);
    if (chain === undefined) this.#tell('no-checkpoint', 'log', 'there is no batch, and so no checkpoint');
    const { open } = writers.finish(now);
    const authenticatedBy = this.#authenticatedBy(chain, kept.confirmed);
    const signer = chain && verifierText(chain.signer);
    return { ...this.#done, writers: open, authenticatedBy, signer, checkpoint: chain?.checkpoint };
  }

  /** A key that was pinned, or that one of the seal keys at hand gives. */
  #isKnown(signer: Verifier): boolean {
    return (
      this.#o.isOurs?.(signer) === true || this.#o.pinned.some((pin) => verifierText(pin) === verifierText(signer))
    );
  }

  #authenticatedBy(chain: Chain | undefined, confirmed: number): Verification['authenticatedBy'] {
    if (chain === undefined) return undefined;
    const signers = [...this.#signers.values()];
    const { pinned, isOurs } = this.#o;
    const isPinned = signers.some((signer) => pinned.some((pin) => verifierText(pin) === verifierText(signer)));
    if (pinned.length > 0 && !isPinned) {
      this.#tell('signed-by-another', 'log', 'no batch is signed by the key that was given');
      return undefined;
    }
    const isOwn = isOurs !== undefined && signers.some(isOurs);
    if (isOurs !== undefined && !isOwn) {
      this.#tell('signed-by-another', 'log', 'no batch is signed by one of the seal keys at hand');
      return undefined;
    }
    if (isPinned) return 'key';
    if (isOwn) return 'seal keys';
    return confirmed > 0 ? 'checkpoint' : undefined;
  }

  async #checkSegments(names: readonly string[], writers: Writers, signal: AbortSignal): Promise<void> {
    for (let at = 0; at < names.length; at += READS_AT_ONCE) {
      const some = names.slice(at, at + READS_AT_ONCE);
      const bodies = await mapBounded(some, READS_AT_ONCE, (name) => this.#read(name, signal));
      for (const [index, name] of some.entries()) await this.#checkSegment(name, bodies[index], writers, signal);
    }
  }

  async #read(name: string, signal: AbortSignal): Promise<Buffer | undefined> {
    return this.#isPruned(name) ? undefined : (await this.#o.store.get(name, signal))?.body;
  }

  /** Whether it was sealed by a server; undefined where that cannot be told. */
  async #checkSegment(
    name: string,
    body: Buffer | undefined,
    writers: Writers,
    signal: AbortSignal,
  ): Promise<boolean | undefined> {
    const parsed = parseSegmentName(name);
    if (parsed === undefined) throw new Error(`a batch names ${name}`);
    if (body === undefined) {
      if (this.#isPruned(name)) this.#done.pruned += 1;
      else this.#tell('segment-missing', name, 'a batch names it, and it is gone');
      writers.next(parsed, undefined, name);
      return undefined;
    }
    const header = this.#headerOf(parsed, body, name);
    writers.next(parsed, header, name);
    if (header === undefined) return undefined;
    this.#done.segments += 1;
    this.#done.events += header.events;
    const segment = parseSegment(body);
    const isSealed = segment && (await this.#o.reader?.isSealedHere(segment, signal));
    if (isSealed === false) this.#tell('segment-forged', name, 'it was sealed by nobody who has the audit key');
    return isSealed;
  }

  /** The header of a segment that is the one of its name. */
  #headerOf(parsed: SegmentName, body: Buffer, name: string): SegmentHeader | undefined {
    if (sha256Of(body) !== parsed.sha256) {
      this.#tell('segment-altered', name, 'its content is not the one that its name has the hash of');
      return undefined;
    }
    const header = parseSegment(body)?.header;
    const isNamed = header?.minute === parsed.minute && header.boot === parsed.boot && header.seq === parsed.seq;
    if (isNamed) return header;
    this.#tell('segment-under-another-name', name, 'it says of itself to be another segment, or none');
    return undefined;
  }

  #isPruned(name: string): boolean {
    return name < SEGMENT_NAMES + this.#prunedBefore;
  }

  /** Segments in no batch: those of the last minutes, and what servers did not want. */
  async #checkRest(
    names: readonly string[],
    o: { writers: Writers; chain: Chain | undefined },
    signal: AbortSignal,
  ): Promise<void> {
    const newest = o.chain === undefined ? Number.POSITIVE_INFINITY : Date.parse(o.chain.time);
    for (const name of names) {
      const isOld =
        minuteStart(parseSegmentName(name)?.minute ?? '') + AUDIT_UNBATCHED_MS < newest && o.chain !== undefined;
      const body = (await this.#o.store.get(name, signal))?.body;
      // One that servers did not want says nothing about the writer that it names.
      const writers = isOld ? new Writers({ tell: () => undefined, isPart: true }) : o.writers;
      const isSealed = await this.#checkSegment(name, body, writers, signal);
      if (isSealed === false) continue;
      if (!isOld) this.#done.pending += 1;
      else if (isSealed === true) this.#tell('segment-late', name, 'no batch has it, though later ones were made');
      else this.#tell('segment-stray', name, 'no batch has it, though later ones were made');
    }
  }
}

/** What the newest batch says of segments that were removed. One that does not count is named by the walk. */
async function announcedPruning(store: StateStore, signal: AbortSignal): Promise<string> {
  const end = ((await newestBatch(store, signal)) ?? -1) + 1;
  for await (const { body } of batchesBefore(store, end, signal)) {
    const batch = parseBatch(body);
    if (batch !== undefined) return batch.prunedBefore;
  }
  return '';
}

/** Number of the first batch that was made at `since` or later. */
async function firstBatchAt(store: StateStore, since: Date, signal: AbortSignal): Promise<number> {
  let [low, high] = [0, (await newestBatch(store, signal)) ?? 0];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const n = (await firstBatchFrom(store, middle, signal)) ?? high;
    const body = (await store.get(batchName(n), signal))?.body;
    const batch = body && parseBatch(body);
    if (batch === undefined || Date.parse(batch.time) >= since.getTime()) high = middle;
    else low = n + 1;
  }
  return low;
}
