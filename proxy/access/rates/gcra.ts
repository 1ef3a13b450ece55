/**
 * A rate of requests, by the generic cell rate algorithm (ITU-T I.371, annex A): each key has one number, the time at which its next
 * request would be due if all came evenly. A request that comes earlier than the burst allows is refused and changes nothing.
 */
import { LRUCache } from 'lru-cache';
import { RATE_KEYS } from '../../address-limits.ts';

export interface Rate {
  /** Requests a second in the long run. */
  readonly perSecond: number;
  /** Requests at once, 1 or more, of a key that was quiet. */
  readonly burst: number;
}

/** Milliseconds by which times may be off: they are sums of floating-point numbers. */
const ROUNDING_MS = 1e-3;

export class Gcra {
  readonly #intervalMs: number;
  readonly #burstMs: number;
  readonly #now: () => number;
  /** When the next request of a key is due. Those that were asked for longest ago go first: they count as quiet. */
  readonly #due: LRUCache<string, number>;

  /** `now`: milliseconds of a clock that never goes back. */
  constructor({ perSecond, burst }: Rate, o: { readonly now?: () => number; readonly keys?: number } = {}) {
    this.#intervalMs = 1000 / perSecond;
    this.#burstMs = burst * this.#intervalMs;
    this.#now = o.now ?? (() => performance.now());
    this.#due = new LRUCache({ max: o.keys ?? RATE_KEYS });
  }

  /** Keys that are remembered. */
  get size(): number {
    return this.#due.size;
  }

  /** 0: the request is taken, and counts. Else milliseconds until one would be. */
  take(key: string): number {
    const now = this.#now();
    const next = Math.max(this.#due.get(key) ?? now, now) + this.#intervalMs;
    const earlyMs = next - now - this.#burstMs;
    if (earlyMs > ROUNDING_MS) return earlyMs;
    this.#due.set(key, next);
    return 0;
  }
}
