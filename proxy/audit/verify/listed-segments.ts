/**
 * Compares the segments that batches name with those that the store lists, of which only a window is held at a time: the listing is
 * ordered by minute, and so, nearly, are the batches.
 */
import type { StateStore } from '../../keyring/state/state.ts';
import { minuteOf, parseSegmentName, SEGMENT_NAMES } from '../format/segment.ts';
import type { TellFinding } from './findings.ts';

/** By which clocks of servers may differ. */
const SKEW_MS = 600_000;

export class ListedSegments {
  readonly #names: AsyncIterator<string>;
  readonly #prunedBefore: string;
  readonly #tell: TellFinding;
  /** Listed, and in no batch so far. */
  readonly #ahead = new Set<string>();
  /** In a batch, and not listed so far. */
  readonly #named = new Set<string>();
  #next: string | undefined;
  #isDone = false;

  /** `after`: a minute. `prunedBefore`: segments before that minute may be there or not. */
  constructor(
    store: StateStore,
    o: { after: string | undefined; prunedBefore: string; tell: TellFinding },
    signal: AbortSignal,
  ) {
    const after = o.after === undefined ? {} : { after: SEGMENT_NAMES + o.after };
    this.#names = store.list(SEGMENT_NAMES, signal, after)[Symbol.asyncIterator]();
    this.#prunedBefore = o.prunedBefore;
    this.#tell = o.tell;
  }

  /** Names of a batch that was made at `time`. */
  async takeBatch(names: readonly string[], time: Date): Promise<void> {
    const limit = SEGMENT_NAMES + minuteOf(new Date(time.getTime() + SKEW_MS));
    await this.#advance((name) => name < limit);
    for (const name of names) if (!this.#ahead.delete(name) && !this.#isPruned(name)) this.#named.add(name);
  }

  /** Segments in no batch, by minute, writer and number. */
  async rest(): Promise<readonly string[]> {
    await this.#advance(() => true);
    return [...this.#ahead].sort();
  }

  async #advance(isWanted: (name: string) => boolean): Promise<void> {
    for (;;) {
      if (this.#next === undefined && !this.#isDone) {
        const { done, value } = await this.#names.next();
        this.#isDone = done === true;
        this.#next = done === true ? undefined : value;
      }
      const name = this.#next;
      if (name === undefined || !isWanted(name)) return;
      this.#next = undefined;
      if (parseSegmentName(name) === undefined) this.#tell('foreign-name', name, 'no segment has such a name');
      else if (!this.#named.delete(name) && !this.#isPruned(name)) this.#ahead.add(name);
    }
  }

  #isPruned(name: string): boolean {
    return name < SEGMENT_NAMES + this.#prunedBefore;
  }
}
