/** A limit on bytes a second, shared by everything that takes from it: what a job may read beside the clients of the same store. */
import { setTimeout } from 'node:timers/promises';

export class ByteRate {
  readonly #bytesPerSecond: number;
  readonly #now: () => number;
  readonly #sleep: (ms: number, signal: AbortSignal) => Promise<unknown>;
  /** When what was taken so far has been paid for, milliseconds. */
  #paidAt = 0;

  /** Without `bytesPerSecond` there is no limit. */
  constructor(o: {
    bytesPerSecond: number | undefined;
    now?: () => number;
    sleep?: (ms: number, signal: AbortSignal) => Promise<unknown>;
  }) {
    this.#bytesPerSecond = o.bytesPerSecond ?? Number.POSITIVE_INFINITY;
    this.#now = o.now ?? (() => performance.now());
    this.#sleep = o.sleep ?? ((ms, signal) => setTimeout(ms, undefined, { signal }));
  }

  /** Resolves when `bytes` more fit. What came is paid for afterwards, so a piece of any size passes. */
  async take(bytes: number, signal: AbortSignal): Promise<void> {
    const now = this.#now();
    const wait = this.#paidAt - now;
    this.#paidAt = Math.max(this.#paidAt, now) + (1000 * bytes) / this.#bytesPerSecond;
    if (wait > 0) await this.#sleep(wait, signal);
  }
}
