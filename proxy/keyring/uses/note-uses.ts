/**
 * Writes down, for `SEALGATE_LAST_USED=day`, on which day each key was used (last-used.ts). Beside the requests: none waits for
 * it or fails with it. A process reads and writes the record of a slot once a day at most, and again after a failure.
 */
import { LRUCache } from 'lru-cache';
import {
  LAST_USED_AT_ONCE,
  LAST_USED_ATTEMPTS,
  LAST_USED_REMEMBERED,
  LAST_USED_RETRY_MS,
  LAST_USED_TIMEOUT_MS,
  LAST_USED_WAITING,
} from '../../limits.ts';
import { StateConflict } from '../state/state.ts';
import { dayOf, fetchLastUsed, type LastUsedDeps, lastUsedName, sealLastUsed, type TenantSlot } from './last-used.ts';

const DAY_MS = 24 * 60 * 60 * 1000;

interface Use extends TenantSlot {
  /** YYYY-MM-DD, UTC. */
  readonly day: string;
}

export class UseNotes {
  readonly #deps: LastUsedDeps;
  readonly #now: () => Date;
  readonly #onFailure: (error: unknown, of: TenantSlot) => void;
  /** By record name: milliseconds until when there is nothing to write. */
  readonly #quietUntil = new LRUCache<string, number>({ max: LAST_USED_REMEMBERED });
  #waiting: Use[] = [];
  readonly #underWay = new Set<Promise<void>>();
  #closed = false;

  constructor(o: LastUsedDeps & { now: () => Date; onFailure: (error: unknown, of: TenantSlot) => void }) {
    this.#deps = o;
    this.#now = o.now;
    this.#onFailure = o.onFailure;
  }

  /** A key was used now. Returns at once and never throws. */
  note({ tenant, slot }: TenantSlot): void {
    const name = lastUsedName({ tenant, slot });
    const now = this.#now();
    const quietMs = (this.#quietUntil.get(name) ?? 0) - now.getTime();
    // More than a day: the clock was put back.
    if (quietMs > 0 && quietMs <= DAY_MS) return;
    // What finds no room is written after a later use.
    if (this.#closed || this.#waiting.length >= LAST_USED_WAITING) return;
    this.#quietUntil.set(name, startOfNextDay(now));
    this.#waiting.push({ tenant, slot, day: dayOf(now) });
    this.#startNext();
  }

  /** Resolves when nothing waits or is under way; never rejects. */
  async settled(): Promise<void> {
    while (this.#underWay.size > 0) await Promise.all(this.#underWay);
  }

  /** Drops what waits, and resolves when nothing is under way any more: after LAST_USED_TIMEOUT_MS at the latest. */
  close(): Promise<void> {
    this.#closed = true;
    this.#waiting = [];
    return this.settled();
  }

  #startNext(): void {
    while (this.#underWay.size < LAST_USED_AT_ONCE) {
      const use = this.#waiting.shift();
      if (use === undefined) return;
      const work = this.#write(use).finally(() => {
        this.#underWay.delete(work);
        this.#startNext();
      });
      this.#underWay.add(work);
    }
  }

  async #write(use: Use): Promise<void> {
    try {
      await writeUse(this.#deps, use, AbortSignal.timeout(LAST_USED_TIMEOUT_MS));
    } catch (error) {
      this.#quietUntil.set(lastUsedName(use), this.#now().getTime() + LAST_USED_RETRY_MS);
      this.#onFailure(error, use);
    }
  }
}

/** Nothing is written over the same day, nor over the next one, which another server's clock may be in already. */
async function writeUse(deps: LastUsedDeps, use: Use, signal: AbortSignal): Promise<void> {
  const body = sealLastUsed(use, use.day, deps.sealKeys.active);
  for (let attempt = 0; attempt < LAST_USED_ATTEMPTS; attempt += 1) {
    const found = await fetchLastUsed(deps, use, signal);
    if (found?.day === use.day || found?.day === dayAfter(use.day)) return;
    const condition = found === undefined ? ({ ifAbsent: true } as const) : { ifMatch: found.stored.etag };
    try {
      await deps.state.put(lastUsedName(use), body, condition, signal);
      return;
    } catch (error) {
      // Another process was quicker: what it wrote is looked at.
      if (!(error instanceof StateConflict)) throw error;
    }
  }
}

function startOfNextDay(now: Date): number {
  return (Math.floor(now.getTime() / DAY_MS) + 1) * DAY_MS;
}

function dayAfter(day: string): string {
  return dayOf(new Date(Date.parse(`${day}T00:00:00Z`) + DAY_MS));
}
