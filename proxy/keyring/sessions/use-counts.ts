/**
 * Limits sessions to a number of requests. Each request takes the next free record of the session, by a write that only one request
 * can win, whatever replica it reaches (crypto/FORMAT.md, "Uses of sessions"). Every allowed request counts: a retry, a HEAD and a
 * range too.
 */
import { randomBytes } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { z } from 'zod';
import { SESSION_SKEW_SECONDS, USE_COUNTS_CACHED } from '../../session-limits.ts';
import { canonicalJson } from '../state/canonical-json.ts';
import { StateConflict, type StateStore } from '../state/state.ts';

export const USES_NAMES = 'uses/';
const FORMAT = 'sealgate-use/1';

const recordSchema = z.strictObject({ format: z.literal(FORMAT), nonce: z.string(), until: z.int() });

export interface LimitedUses {
  /** What is counted together. */
  readonly id: string;
  readonly max: number;
  /** Seconds since 1970. After that time no request counts under the id. */
  readonly until: number;
}

export class UseCounts {
  readonly #state: StateStore;
  readonly #now: () => Date;
  /** For each id, the lowest use that this process does not know to be taken. */
  readonly #next = new LRUCache<string, number>({ max: USE_COUNTS_CACHED });

  constructor(o: { state: StateStore; now: () => Date }) {
    this.#state = o.state;
    this.#now = o.now;
  }

  /** Takes one use, durably. False when all are taken. @throws S3Error ServiceUnavailable */
  async take({ id, max, until }: LimitedUses, signal: AbortSignal): Promise<boolean> {
    const nonce = randomBytes(12).toString('hex');
    const body = canonicalJson({ format: FORMAT, nonce, until });
    let isLookedUp = this.#next.has(id);
    let use = this.#next.get(id) ?? 0;
    while (use < max) {
      if (await this.#write(nameOf(id, use), body, signal)) {
        this.#next.set(id, use + 1);
        return true;
      }
      use = isLookedUp ? use + 1 : await this.#afterLast(id, signal);
      isLookedUp = true;
      this.#next.set(id, use);
    }
    return false;
  }

  /** Deletes the records of sessions that have ended. @returns the number of sessions forgotten */
  async removeOld(signal: AbortSignal): Promise<number> {
    let removed = 0;
    for (const names of await this.#byId(signal)) {
      const [first = ''] = names;
      const until = parseUntil((await this.#state.get(first, signal))?.body);
      if (until === undefined || this.#now().getTime() / 1000 < until + SESSION_SKEW_SECONDS) continue;
      for (const name of names) await this.#state.delete(name, signal);
      removed += 1;
    }
    return removed;
  }

  /** A request that was sent twice conflicts with itself: what is stored then tells. */
  async #write(name: string, body: Buffer, signal: AbortSignal): Promise<boolean> {
    try {
      await this.#state.put(name, body, { ifAbsent: true }, signal);
      return true;
    } catch (error) {
      if (!(error instanceof StateConflict)) throw error;
      return (await this.#state.get(name, signal))?.body.equals(body) === true;
    }
  }

  async #afterLast(id: string, signal: AbortSignal): Promise<number> {
    let last = 0;
    for await (const name of this.#state.list(`${USES_NAMES}${id}/`, signal)) last = Math.max(last, useOf(name));
    return last + 1;
  }

  async #byId(signal: AbortSignal): Promise<readonly string[][]> {
    const names = new Map<string, string[]>();
    for await (const name of this.#state.list(USES_NAMES, signal)) {
      const id = name.slice(USES_NAMES.length).split('/')[0] ?? '';
      names.set(id, [...(names.get(id) ?? []), name]);
    }
    return [...names.values()];
  }
}

function nameOf(id: string, use: number): string {
  return `${USES_NAMES}${id}/${use}`;
}

function useOf(name: string): number {
  const use = Number(name.slice(name.lastIndexOf('/') + 1));
  return Number.isSafeInteger(use) ? use : 0;
}

function parseUntil(body: Buffer | undefined): number | undefined {
  try {
    return body === undefined ? undefined : recordSchema.parse(JSON.parse(body.toString('utf8'))).until;
  } catch {
    return undefined;
  }
}
