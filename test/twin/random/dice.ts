/** Chance that repeats itself: the same seed makes the same choices (mulberry32, 32 bits of state). */
export class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** 0 <= x < 1 */
  #next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let x = this.#state;
    x = Math.imul(x ^ (x >>> 15), x | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number from 0 to `below` - 1. */
  below(below: number): number {
    return Math.floor(this.#next() * below);
  }

  /** True in `percent` of 100 throws. */
  percent(percent: number): boolean {
    return this.#next() * 100 < percent;
  }

  /** @throws Error for an empty list */
  pick<T>(items: readonly T[]): T {
    const item = items[this.below(items.length)];
    if (item === undefined) throw new Error('nothing to pick from');
    return item;
  }

  /** One of the entries, in proportion to the weights. */
  weighted<T>(entries: readonly (readonly [weight: number, item: T])[]): T {
    const total = entries.reduce((sum, [weight]) => sum + weight, 0);
    let at = this.#next() * total;
    for (const [weight, item] of entries) {
      at -= weight;
      if (at < 0) return item;
    }
    throw new Error('nothing to pick from');
  }

  /** `item` in `percent` of 100 throws, else nothing: for spreading into a list. */
  maybe<T>(percent: number, item: () => T): readonly T[] {
    return this.percent(percent) ? [item()] : [];
  }
}
