/**
 * Every minute any server may write the next batch: its own segments, and those of others that nobody took, each authenticated. Whoever
 * is first has the number; the others read that batch and continue it. So there is no leader and no lock.
 */
import { randomBytes } from 'node:crypto';
import {
  AUDIT_BATCH_ATTEMPTS,
  AUDIT_BATCH_MS,
  AUDIT_BATCH_SEGMENTS,
  AUDIT_FOREIGN_SEGMENT_MS,
  AUDIT_LOOK_BACK_MS,
  AUDIT_UNBATCHED_MS,
} from '../audit-limits.ts';
import { StateConflict, type StateStore } from '../keyring/state/state.ts';
import type { SecurityEvent } from '../observe/events.ts';
import type { Logger } from '../observe/log.ts';
import { Batches } from './batches.ts';
import { batchName, type Chain, makeBatch } from './format/batch.ts';
import { minuteOf, minuteStart, parseSegmentName, SEGMENT_NAMES } from './format/segment.ts';
import type { IsAuthentic } from './segment-reader.ts';
import type { Signers } from './signers.ts';

const MINUTE_MS = 60_000;

export interface SequencerStatus {
  readonly batches: number;
  readonly invalidBatches: number;
  readonly invalidSegments: number;
  /** Segments of this server that no batch has, and since when the oldest. */
  readonly unbatchedMs: number;
  /** Segments in the log. */
  readonly size: number;
}

export interface SequencerOptions {
  readonly store: StateStore;
  readonly signers: Signers;
  /** Whether a segment was sealed by one who has the audit key. */
  readonly isAuthentic: IsAuthentic;
  readonly now: () => Date;
  readonly log: Logger;
  /** Takes what an operator has to know. Must not reject. */
  readonly report: (event: SecurityEvent) => Promise<void>;
  /** Told of each checkpoint that was signed here. */
  readonly publish: (chain: Chain) => void;
}

export class Sequencer {
  readonly #o: SequencerOptions;
  readonly #batches: Batches;
  /** Segments that batches have, with their minutes: of the time that is looked back. */
  readonly #batched = new Map<string, number>();
  /** Segments of this server that no batch has yet, with the time at which they were written. */
  readonly #own = new Map<string, number>();
  readonly #forged = new Set<string>();
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #written = 0;
  #invalidBatches = 0;
  /** Segments since this time are looked for: at first as far back as nobody may have taken them. */
  #lookBackFrom: number | undefined;

  constructor(o: SequencerOptions) {
    this.#o = o;
    this.#batches = new Batches({
      store: o.store,
      signers: o.signers,
      onBatch: ({ segments }) => this.#noteBatched(segments.map((name) => SEGMENT_NAMES + name)),
      onInvalid: (n, problem) => this.#reportInvalid(n, problem),
      onRolledBack: (n) => this.#reportRolledBack(n),
    });
  }

  get status(): SequencerStatus {
    const now = this.#o.now().getTime();
    const [oldest] = this.#own.values();
    return {
      batches: this.#written,
      invalidBatches: this.#invalidBatches,
      invalidSegments: this.#forged.size,
      unbatchedMs: oldest === undefined ? 0 : now - oldest,
      size: this.#batches.chain?.size ?? 0,
    };
  }

  get chain(): Chain | undefined {
    return this.#batches.chain;
  }

  /** A segment of this server was written. */
  noteWritten(name: string): void {
    this.#own.set(name, this.#o.now().getTime());
  }

  start(): void {
    this.#timer = setInterval(() => void this.#tick(), AUDIT_BATCH_MS).unref();
    // What servers left that are gone, and nobody else took.
    void this.#tick();
  }

  /** A last batch, with the last segment. Never rejects. */
  async close(signal: AbortSignal): Promise<void> {
    clearInterval(this.#timer);
    await this.#running;
    await this.run(signal).catch((err: unknown) => this.#o.log.warn({ err }, 'the last batch was not written'));
  }

  #tick(): Promise<void> {
    this.#running ??= this.run(AbortSignal.timeout(AUDIT_BATCH_MS))
      .catch((err: unknown) => this.#o.log.warn({ err }, 'no batch of the audit was written'))
      .finally(() => {
        this.#running = undefined;
        this.#reportUnbatched();
      });
    return this.#running;
  }

  /**
   * Follows the chain and continues it when there is something to add. `prunedBefore`: segments before that minute may go from now on.
   * `handOver`: the active seal key signs from now on.
   * @throws S3Error ServiceUnavailable; Error when no key at hand may sign
   */
  async run(signal: AbortSignal, o: { prunedBefore?: string; handOver?: boolean } = {}): Promise<void> {
    for (let attempt = 0; attempt < AUDIT_BATCH_ATTEMPTS; attempt += 1) {
      await this.#batches.follow(signal);
      this.#lookBackFrom ??= await this.#lookBack(signal);
      const waiting = await this.#waiting(signal);
      const { chain } = this.#batches;
      const prunes = o.prunedBefore !== undefined && o.prunedBefore > (chain?.prunedBefore ?? '');
      const { signers } = this.#o;
      const hands =
        o.handOver === true && chain !== undefined && !signers.active.publicKey.equals(chain.signer.publicKey);
      if (waiting.length === 0 && !prunes && !hands) return;
      const segments = waiting.slice(0, AUDIT_BATCH_SEGMENTS);
      const isWritten = await this.#write(segments, { ...o, hands }, signal);
      // Another server was quicker: its batch is read, and continued.
      if (isWritten && segments.length === waiting.length) return;
      if (isWritten) attempt = -1;
    }
  }

  async #write(
    segments: readonly string[],
    o: { prunedBefore?: string; hands: boolean },
    signal: AbortSignal,
  ): Promise<boolean> {
    const { store, now, publish } = this.#o;
    const { chain, skipped, nextNumber: n } = this.#batches;
    const [earlier = '', wanted = ''] = [chain?.prunedBefore, o.prunedBefore];
    const made = makeBatch(chain, {
      n,
      origin: chain?.origin ?? `sealgate-audit/${randomBytes(8).toString('hex')}`,
      time: now(),
      segments,
      skipped: [...skipped],
      prunedBefore: wanted > earlier ? wanted : earlier,
      ...this.#keys(chain, o.hands),
    });
    try {
      await store.put(batchName(n), made.body, { ifAbsent: true }, signal);
    } catch (error) {
      if (!(error instanceof StateConflict)) throw error;
      const stored = await store.get(batchName(n), signal);
      if (stored?.body.equals(made.body) !== true) return false;
    }
    this.#batches.advance(made.chain);
    this.#noteBatched(segments);
    this.#written += 1;
    publish(made.chain);
    return true;
  }

  /** The key of the batch before signs on, as long as it is at hand: replicas get a new seal key at different times. */
  #keys(chain: Chain | undefined, hands: boolean) {
    const { signers } = this.#o;
    const active = signers.active.key;
    if (chain === undefined) return { key: active };
    const current = signers.find(chain.signer)?.key;
    if (hands) return { key: active, before: current };
    if (current !== undefined) return { key: current };
    // Signed by one whom our keys handed over to, or by nobody we know: the first must not be contradicted.
    if (this.#batches.isHandedOver) throw new Error('The seal key whose signature ends the audit is not configured.');
    return { key: active };
  }

  /** Segments for the next batch, in the order of writers and numbers. */
  async #waiting(signal: AbortSignal): Promise<string[]> {
    const { now, isAuthentic, store } = this.#o;
    const found = [...this.#own.keys()];
    const time = now().getTime();
    const after = `${SEGMENT_NAMES}${minuteOf(new Date(this.#lookBackFrom ?? 0))}`;
    for await (const name of store.list(SEGMENT_NAMES, signal, { after })) {
      const parsed = parseSegmentName(name);
      if (parsed === undefined || this.#own.has(name) || this.#batched.has(name) || this.#forged.has(name)) continue;
      if (minuteStart(parsed.minute) + MINUTE_MS + AUDIT_FOREIGN_SEGMENT_MS > time) continue;
      if (await isAuthentic(name, signal)) found.push(name);
      else this.#reportForged(name);
    }
    this.#lookBackFrom = time - AUDIT_LOOK_BACK_MS;
    return found;
  }

  /** An hour before the newest batch: what batches have since then is known afterwards. */
  async #lookBack(signal: AbortSignal): Promise<number> {
    const { chain } = this.#batches;
    if (chain === undefined) return 0;
    const from = Date.parse(chain.time) - AUDIT_LOOK_BACK_MS;
    this.#lookBackFrom = from;
    for await (const { segments, time } of this.#batches.backwards(signal)) {
      if (Date.parse(time) < from - AUDIT_FOREIGN_SEGMENT_MS) break;
      this.#noteBatched(segments.map((name) => SEGMENT_NAMES + name));
    }
    return from;
  }

  #noteBatched(names: readonly string[]): void {
    for (const name of names) {
      this.#own.delete(name);
      this.#batched.set(name, minuteStart(parseSegmentName(name)?.minute ?? ''));
    }
    const old = (this.#lookBackFrom ?? 0) - MINUTE_MS;
    for (const [name, minute] of this.#batched) if (minute < old) this.#batched.delete(name);
  }

  #reportInvalid(n: number, problem: string): void {
    this.#invalidBatches += 1;
    void this.#o.report({ kind: 'audit-batch-invalid', detail: `Batch ${n} of the audit does not count: ${problem}` });
  }

  #reportRolledBack(n: number): void {
    void this.#o.report({ kind: 'audit-rolled-back', detail: `Batch ${n} of the audit was there and is gone` });
  }

  #reportForged(name: string): void {
    this.#forged.add(name);
    void this.#o.report({ kind: 'audit-segment-invalid', detail: `The segment ${name} was sealed by nobody here` });
  }

  #reportUnbatched(): void {
    const { unbatchedMs } = this.status;
    if (unbatchedMs < AUDIT_UNBATCHED_MS) return;
    this.#o.log.error({ seconds: Math.round(unbatchedMs / 1000) }, 'segments of the audit are in no batch');
  }
}
