/**
 * Bounds an event that strangers can cause as often as they like: it is recorded once in a while for each source, and for so many
 * sources at most. Else a flood of connections or requests would be a flood of events. A metric counts what goes unrecorded.
 */
import { REPEATED_EVENT_MS, REPEATED_EVENT_SOURCES } from '../address-limits.ts';

export class EventBound {
  readonly #now: () => number;
  /** When the event of each source was last recorded, oldest first; none is older than REPEATED_EVENT_MS. */
  readonly #recorded = new Map<string, number>();

  /** `now`: milliseconds of a clock that never goes back. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Whether the event of this source is recorded now. */
  isDue(source: string): boolean {
    const now = this.#now();
    for (const [old, at] of this.#recorded) {
      if (now - at < REPEATED_EVENT_MS) break;
      this.#recorded.delete(old);
    }
    if (this.#recorded.has(source) || this.#recorded.size >= REPEATED_EVENT_SOURCES) return false;
    this.#recorded.set(source, now);
    return true;
  }
}
