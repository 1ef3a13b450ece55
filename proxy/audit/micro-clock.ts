/**
 * Times in microseconds that never run back: the wall clock has milliseconds, the steady clock has the rest. Where the two part, as
 * after a step of the wall clock, the wall clock counts again.
 */
const TOLERANCE_MS = 2;

export class MicroClock {
  readonly #now: () => Date;
  readonly #elapsed: () => number;
  #offset = Number.NaN;
  #second = -1;
  #prefix = '';
  #last = 0;

  /** `elapsed`: milliseconds of a steady clock. */
  constructor(o: { now: () => Date; elapsed: () => number }) {
    this.#now = o.now;
    this.#elapsed = o.elapsed;
  }

  /** `2026-11-27T20:05:01.123456Z` */
  text(): string {
    const micros = this.#micros();
    const second = Math.floor(micros / 1e6);
    if (second !== this.#second) {
      this.#second = second;
      this.#prefix = new Date(1000 * second).toISOString().slice(0, 20);
    }
    return `${this.#prefix}${String(micros - 1e6 * second).padStart(6, '0')}Z`;
  }

  #micros(): number {
    const wall = this.#now().getTime();
    const elapsed = this.#elapsed();
    const drift = elapsed + this.#offset - wall;
    if (!(drift >= -TOLERANCE_MS && drift <= TOLERANCE_MS)) {
      if (!Number.isNaN(drift)) this.#last = 0;
      this.#offset = wall - elapsed;
    }
    this.#last = Math.max(this.#last, Math.round(1000 * (elapsed + this.#offset)));
    return this.#last;
  }
}
