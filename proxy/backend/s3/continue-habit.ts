/**
 * Whether a store is worth asking for 100 Continue before a body. Some never answer, and asking them costs every upload the full
 * wait; others are late once, in a moment of load. So a store that did not answer in time is left alone for a while, longer each
 * time in a row, and then asked by one request again: what was learnt of it never holds until a restart.
 */
import { performance } from 'node:perf_hooks';
import { BACKEND_CONTINUE_LONGEST_PAUSE_MS, BACKEND_CONTINUE_PAUSE_MS } from '../../store-limits.ts';

export class ContinueHabit {
  readonly #firstPauseMs: number;
  readonly #now: () => number;
  /** Requests in a row that it left without an answer in time. */
  #misses = 0;
  #pausedUntil = 0;

  constructor(o: { firstPauseMs?: number | undefined; now?: () => number } = {}) {
    this.#firstPauseMs = o.firstPauseMs ?? BACKEND_CONTINUE_PAUSE_MS;
    this.#now = o.now ?? (() => performance.now());
  }

  /** Whether the next request asks. After a pause one request does, and the others wait for what it learns. */
  takeTurn(): boolean {
    if (this.#misses === 0) return true;
    if (this.#now() < this.#pausedUntil) return false;
    this.#pause();
    return true;
  }

  /** The store said 100 Continue, or gave its answer, in time. */
  answered(): void {
    this.#misses = 0;
  }

  /** Nothing came within the time. */
  ignored(): void {
    this.#misses += 1;
    this.#pause();
  }

  /** The 100 Continue came after the body was sent without it: the store answers, but slowly. */
  late(): void {
    this.#misses = Math.min(this.#misses, 1);
    this.#pause();
  }

  /** The store answered 417, and will do so again. */
  refused(): void {
    this.#misses = Number.POSITIVE_INFINITY;
    this.#pause();
  }

  #pause(): void {
    const doubled = this.#firstPauseMs * 2 ** Math.max(0, this.#misses - 1);
    this.#pausedUntil = this.#now() + Math.min(doubled, BACKEND_CONTINUE_LONGEST_PAUSE_MS);
  }
}
