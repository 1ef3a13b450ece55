/**
 * The rows of a job between the oldest one that is still under way and the newest one. Objects end in any order, but a checkpoint
 * may only name a row before which everything is done, and a report is read most easily in the order of the listing. So results
 * wait here until every row before them has ended.
 */
export interface WindowEntry<Row, Result> {
  readonly row: Row;
  result: Result | undefined;
}

export class RowWindow<Row, Result> {
  readonly #largest: number;
  #entries: WindowEntry<Row, Result>[] = [];
  #wake: (() => void) | undefined;

  /** `largest`: rows that may be here at once. */
  constructor(o: { largest: number }) {
    this.#largest = o.largest;
  }

  /** Rows that are here, ended or not. */
  get size(): number {
    return this.#entries.length;
  }

  add(row: Row): WindowEntry<Row, Result> {
    const entry: WindowEntry<Row, Result> = { row, result: undefined };
    this.#entries.push(entry);
    return entry;
  }

  /** Whether the rows at the front have ended, so that `take` gives something. */
  get isReady(): boolean {
    return this.#entries[0]?.result !== undefined;
  }

  /** Rows at the front that have ended, taken out. */
  take(): { readonly row: Row; readonly result: Result }[] {
    const taken: { row: Row; result: Result }[] = [];
    for (const { row, result } of this.#entries) {
      if (result === undefined) break;
      taken.push({ row, result });
    }
    this.#entries = this.#entries.slice(taken.length);
    this.#wake?.();
    return taken;
  }

  /** Puts back what could not be written. */
  restore(taken: readonly { readonly row: Row; readonly result: Result }[]): void {
    this.#entries = [...taken, ...this.#entries];
  }

  /** Passes rows on while there is room for them. `makeRoom` takes rows out that have ended. @throws the signal's reason */
  async *admit(rows: AsyncIterable<Row>, makeRoom: () => Promise<void>, signal: AbortSignal): AsyncGenerator<Row> {
    for await (const row of rows) {
      while (this.#entries.length >= this.#largest) {
        signal.throwIfAborted();
        if (this.isReady) await makeRoom();
        else await this.#ended(signal);
      }
      yield row;
    }
  }

  /** To be called when a row has ended. */
  end(entry: WindowEntry<Row, Result>, result: Result): void {
    entry.result = result;
    this.#wake?.();
  }

  /** Until a row ends, or nobody works on rows any more. */
  async #ended(signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    signal.addEventListener('abort', () => resolve(), { once: true });
    await promise;
    this.#wake = undefined;
  }
}
