/**
 * The chain of batches in the store, as a server follows it: it believes what continues the newest batch that it believed, and what does
 * not counts for nothing and is named in the next batch. Where it begins, it walks back to the newest batch that a key of its own
 * signed.
 */
import { AUDIT_INVALID_BATCHES } from '../audit-limits.ts';
import type { StateStore } from '../keyring/state/state.ts';
import {
  BATCH_NAMES,
  type Batch,
  batchName,
  type Chain,
  checkBatch,
  checkBatchAlone,
  parseBatch,
  parseBatchName,
} from './format/batch.ts';
import { sha256Of } from './format/segment.ts';
import type { Signers } from './signers.ts';

/** Told of each batch that is believed, of each that is not, and when batches that were seen are gone. */
export interface BatchEvents {
  readonly onBatch: (batch: Batch) => void;
  readonly onInvalid: (n: number, problem: string) => void;
  readonly onRolledBack: (n: number) => void;
}

export class Batches {
  readonly #store: StateStore;
  readonly #signers: Signers;
  readonly #events: BatchEvents;
  #chain: Chain | undefined;
  #skipped: { n: number; sha256: string }[] = [];
  #isOpen = false;
  #isOurs = false;

  constructor(o: { store: StateStore; signers: Signers } & BatchEvents) {
    this.#store = o.store;
    this.#signers = o.signers;
    this.#events = o;
  }

  /** The newest batch that counts; undefined for an empty log. */
  get chain(): Chain | undefined {
    return this.#chain;
  }

  /** What stands between it and the next number. */
  get skipped(): readonly { readonly n: number; readonly sha256: string }[] {
    return this.#skipped;
  }

  /** Whether one of our keys signed before the one that signs now: then that one was handed over to. */
  get isHandedOver(): boolean {
    return this.#isOurs;
  }

  get nextNumber(): number {
    return (this.#chain?.n ?? -1) + this.#skipped.length + 1;
  }

  /** After one's own batch was written. */
  advance(chain: Chain): void {
    this.#chain = chain;
    this.#skipped = [];
  }

  /** Reads what is new. @throws S3Error ServiceUnavailable */
  async follow(signal: AbortSignal): Promise<void> {
    if (!this.#isOpen) await this.#open(signal);
    this.#isOpen = true;
    for (let n = this.nextNumber; ; n += 1) {
      const body = (await this.#store.get(batchName(n), signal))?.body;
      if (body === undefined && !(await this.#goesOn(n, signal))) break;
      this.#take(n, body);
    }
    const { chain } = this;
    if (chain !== undefined && (await this.#store.get(batchName(chain.n), signal)) === undefined) {
      this.#events.onRolledBack(chain.n);
    }
  }

  /** From the newest that counts, each by the hash in the one behind it. @throws S3Error ServiceUnavailable */
  async *backwards(signal: AbortSignal): AsyncGenerator<Batch> {
    let expected = this.#chain?.sha256 ?? '';
    for (let n = this.#chain?.n ?? -1; n >= 0 && expected !== ''; n -= 1) {
      const body = (await this.#store.get(batchName(n), signal))?.body;
      const batch = body !== undefined && sha256Of(body) === expected ? parseBatch(body) : undefined;
      if (batch === undefined) continue;
      yield batch;
      expected = batch.previous;
    }
  }

  /**
   * Whether a later number counts though `n` is missing. One far off does not: each missing number is named in the next batch, and
   * whoever can put an object into the bucket could have a server name ten thousand million.
   */
  async #goesOn(n: number, signal: AbortSignal): Promise<boolean> {
    const next = await firstBatchFrom(this.#store, n + 1, signal);
    return next !== undefined && next - (this.#chain?.n ?? -1) <= AUDIT_INVALID_BATCHES;
  }

  #take(n: number, body: Buffer | undefined): void {
    const isTrusted = (signer: Chain['signer']) => this.#signers.find(signer) !== undefined;
    const found = body === undefined ? undefined : checkBatch(body, { n, chain: this.#chain, isTrusted });
    if (found !== undefined && 'batch' in found) {
      this.advance(found.chain);
      this.#events.onBatch(found.batch);
      return;
    }
    this.#skipped.push({ n, sha256: body === undefined ? '' : sha256Of(body) });
    this.#events.onInvalid(n, found?.problem ?? 'missing');
  }

  /** From the newest batch that one of our keys signed, forward. When there is none, from the newest that is one at all. */
  async #open(signal: AbortSignal): Promise<void> {
    const newest = await newestBatch(this.#store, signal);
    if (newest === undefined) return;
    const isOurs = (signer: Chain['signer']) => this.#signers.find(signer) !== undefined;
    const ours = await this.#newestThat(newest, isOurs, signal);
    this.#isOurs = ours !== undefined;
    const from = ours ?? (await this.#newestThat(newest, () => true, signal));
    if (from === undefined) return;
    this.#chain = from.chain;
    this.#events.onBatch(from.batch);
  }

  async #newestThat(newest: number, isTrusted: (signer: Chain['signer']) => boolean, signal: AbortSignal) {
    let seen = 0;
    for await (const { n, body } of batchesBefore(this.#store, newest + 1, signal)) {
      const found = checkBatchAlone(body, { n, isTrusted });
      if ('batch' in found) return found;
      seen += 1;
      if (seen > AUDIT_INVALID_BATCHES) break;
    }
    return undefined;
  }
}

/** The least number from `n` on of which there is a batch. */
export async function firstBatchFrom(store: StateStore, n: number, signal: AbortSignal): Promise<number | undefined> {
  const after = n === 0 ? {} : { after: batchName(n - 1) };
  for await (const name of store.list(BATCH_NAMES, signal, { ...after, rows: 1 })) {
    const found = parseBatchName(name);
    // A number of more digits than names have sorts before those that have them.
    if (found !== undefined && found >= n) return found;
  }
  return undefined;
}

/** The bodies of those that there are below `end`, the newest first, whatever numbers are left out between them. */
export async function* batchesBefore(
  store: StateStore,
  end: number,
  signal: AbortSignal,
): AsyncGenerator<{ readonly n: number; readonly body: Buffer }> {
  for (let n = end - 1; n >= 0; n -= 1) {
    const body = (await store.get(batchName(n), signal))?.body;
    if (body !== undefined) yield { n, body };
    else n = ((await newestBatch(store, signal, n)) ?? -1) + 1;
  }
}

/** The greatest number below `end` of which there is a batch, in few requests however many there are. */
export async function newestBatch(
  store: StateStore,
  signal: AbortSignal,
  end = Number.POSITIVE_INFINITY,
): Promise<number | undefined> {
  let known = -1;
  const look = async (from: number): Promise<boolean> => {
    const found = from < end ? await firstBatchFrom(store, from, signal) : undefined;
    if (found === undefined || found >= end) return false;
    known = found;
    return true;
  };
  let step = 1;
  while (await look(known + step)) step *= 2;
  for (; step >= 1; step = Math.floor(step / 2)) await look(known + step);
  return known < 0 ? undefined : known;
}
