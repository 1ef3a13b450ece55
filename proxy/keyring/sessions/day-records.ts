/**
 * The day's secret of session tokens: 32 random bytes for each seal key and day, sealed under that seal key in the state
 * (crypto/FORMAT.md, "Session tokens"). Whichever replica issues the first session of a day makes it; every replica deletes
 * those of days past, every version of them. With them goes all that the tokens of those days could open.
 */
import { randomBytes } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { z } from 'zod';
import { uint16, utf8 } from '../../../crypto/bytes.ts';
import { openOnce, sealOnce } from '../../../crypto/gcm.ts';
import { frame } from '../../../crypto/keys.ts';
import { randomSalt } from '../../../crypto/random.ts';
import { S3Error } from '../../errors.ts';
import {
  LONGEST_KEY_SESSION_SECONDS,
  MAX_SESSIONS_A_DAY,
  SESSION_DAY_TTL_MS,
  SESSION_DAYS_CACHED,
  SESSION_SKEW_SECONDS,
} from '../../session-limits.ts';
import type { SealKey, SealKeys } from '../access-keys/seal-keys.ts';
import { canonicalJson } from '../state/canonical-json.ts';
import { StateConflict, type StateStore } from '../state/state.ts';
import { dayNumber, dayStart, dayText } from './days.ts';
import type { SessionKey } from './token.ts';

export const SESSION_DAY_NAMES = 'sessions/';
const FORMAT = 'sealgate-session-day/1';
const DAY_SECRET_BYTES = 32;
const HOUR_MS = 3_600_000;
/** Counted from the beginning of the day: the longest session has 36 hours, and clocks differ. */
const KEPT_MS = 72 * HOUR_MS;
/** The end of the last session of a day, counted from the beginning of the day. */
const LAST_END_MS = 24 * HOUR_MS + 1000 * (LONGEST_KEY_SESSION_SECONDS + SESSION_SKEW_SECONDS);
/** Days whose tokens are accepted for a look-up, relative to today: the two days before, and tomorrow for a clock that is ahead. */
const OLDEST_DAY = -2;
const NEWEST_DAY = 1;

const recordSchema = z.strictObject({ format: z.literal(FORMAT), salt: z.string(), sealed: z.string() });

interface Kept {
  readonly key: SessionKey;
  readonly at: number;
}

export class SessionDays {
  readonly #state: StateStore;
  readonly #sealKeys: SealKeys;
  readonly #now: () => Date;
  readonly #kept = new LRUCache<string, Kept>({ max: SESSION_DAYS_CACHED });
  #issued = { day: -1, count: 0 };

  constructor(o: { state: StateStore; sealKeys: SealKeys; now: () => Date }) {
    this.#state = o.state;
    this.#sealKeys = o.sealKeys;
    this.#now = o.now;
  }

  /**
   * The key for sessions issued at `at`, which is now or a moment ago. Makes the record of the day when it is missing.
   * @throws S3Error ServiceUnavailable
   */
  async current(at: Date, signal: AbortSignal): Promise<SessionKey> {
    const day = dayNumber(at);
    if (day > this.#issued.day) this.#issued = { day, count: 0 };
    this.#issued.count += 1;
    if (this.#issued.count > MAX_SESSIONS_A_DAY) throw new S3Error('SlowDown');
    const sealKey = this.#sealKeys.active;
    const found = await this.#find(sealKey, day, signal);
    return found ?? this.#make(sealKey, day, signal);
  }

  /**
   * The keys that may have sealed a token, by its clear part. A day that no valid token can have costs no look-up.
   * @throws S3Error ServiceUnavailable
   */
  async candidates(token: { tag: number; day: number }, signal: AbortSignal): Promise<SessionKey[]> {
    const offset = token.day - dayNumber(this.#now());
    if (offset < OLDEST_DAY || offset > NEWEST_DAY) return [];
    const found: SessionKey[] = [];
    for (const sealKey of this.#sealKeys.withTag(token.tag)) {
      const key = await this.#find(sealKey, token.day, signal);
      if (key !== undefined) found.push(key);
    }
    return found;
  }

  /**
   * Deletes the records of days long past, every version of each.
   * @returns the deleted names; `left`: names of which something stayed, or may have
   */
  async removeOld(signal: AbortSignal): Promise<{ removed: string[]; left: string[] }> {
    const old = [...(await this.#state.listEver(SESSION_DAY_NAMES, signal))].filter((name) => this.#isOld(name));
    const failed = new Set<string>();
    for (const name of old) {
      try {
        await this.#state.shred(name, signal);
      } catch (error) {
        signal.throwIfAborted();
        if (!(error instanceof S3Error)) throw error;
        failed.add(name);
      }
    }
    // A store may report that a version is gone, and still keep it.
    const there = old.length === 0 ? new Set() : await this.#state.listEver(SESSION_DAY_NAMES, signal);
    const isLeft = (name: string) => failed.has(name) || there.has(name);
    return { removed: old.filter((name) => !isLeft(name)), left: old.filter(isLeft) };
  }

  #isOld(name: string): boolean {
    const day = Date.parse(`${name.slice(SESSION_DAY_NAMES.length).split('/')[0]}T00:00:00Z`);
    return !Number.isNaN(day) && this.#now().getTime() - day >= KEPT_MS;
  }

  async #find(sealKey: SealKey, day: number, signal: AbortSignal): Promise<SessionKey | undefined> {
    const name = recordName(sealKey, day);
    const now = this.#now().getTime();
    const kept = this.#kept.get(name);
    if (kept !== undefined && now >= kept.at && now - kept.at < SESSION_DAY_TTL_MS) return kept.key;
    this.#kept.delete(name);
    if (now - dayStart(day) >= KEPT_MS) return undefined;
    const record = await this.#state.get(name, signal);
    const secret = record && openRecord(record.body, sealKey, day);
    if (secret === undefined) return undefined;
    return this.#keep(sealKey, day, secret, now);
  }

  async #make(sealKey: SealKey, day: number, signal: AbortSignal): Promise<SessionKey> {
    const secret = randomBytes(DAY_SECRET_BYTES);
    const name = recordName(sealKey, day);
    const at = this.#now().getTime();
    try {
      await this.#state.put(name, sealRecord(secret, sealKey, day), { ifAbsent: true }, signal);
    } catch (error) {
      secret.fill(0);
      if (!(error instanceof StateConflict)) throw error;
      const made = await this.#find(sealKey, day, signal);
      if (made === undefined) throw new S3Error('ServiceUnavailable', undefined, { cause: error });
      return made;
    }
    return this.#keep(sealKey, day, secret, at);
  }

  #keep(sealKey: SealKey, day: number, secret: Buffer, at: number): SessionKey {
    const { tag, kid } = sealKey;
    const key = { tag, kid, day, key: sealKey.sessionKey(secret) };
    secret.fill(0);
    this.#kept.set(recordName(sealKey, day), { key, at });
    return key;
  }
}

/** Until when sessions that were issued under each seal key may live, by kid. Those that have all ended are left out. */
export async function sessionEnds(
  { state, now }: { readonly state: StateStore; readonly now: () => Date },
  signal: AbortSignal,
): Promise<ReadonlyMap<string, Date>> {
  const ends = new Map<string, Date>();
  for await (const name of state.list(SESSION_DAY_NAMES, signal)) {
    const [day = '', kid = ''] = name.slice(SESSION_DAY_NAMES.length).split('/');
    const end = Date.parse(`${day}T00:00:00Z`) + LAST_END_MS;
    if (end > now().getTime() && end > (ends.get(kid)?.getTime() ?? 0)) ends.set(kid, new Date(end));
  }
  return ends;
}

function recordName({ kid }: SealKey, day: number): string {
  return `${SESSION_DAY_NAMES}${dayText(day)}/${kid}`;
}

function additionalData({ kid }: SealKey, day: number): Buffer {
  return frame(utf8(FORMAT), utf8(kid), uint16(day));
}

/** The record's bytes. `secret`: 32 bytes. */
export function sealRecord(secret: Buffer, sealKey: SealKey, day: number): Buffer {
  const salt = randomSalt();
  const key = sealKey.sessionDayKey(salt);
  const sealed = sealOnce(key, secret, additionalData(sealKey, day));
  key.fill(0);
  return canonicalJson({ format: FORMAT, salt: salt.toString('base64'), sealed: sealed.toString('base64') });
}

/** The day's secret; `undefined` when that seal key did not seal it for that day. */
export function openRecord(body: Buffer, sealKey: SealKey, day: number): Buffer | undefined {
  let json: unknown;
  try {
    json = JSON.parse(body.toString('utf8'));
  } catch {
    return undefined;
  }
  const parsed = recordSchema.safeParse(json);
  if (!parsed.success) return undefined;
  const key = sealKey.sessionDayKey(Buffer.from(parsed.data.salt, 'base64'));
  const secret = openOnce(key, Buffer.from(parsed.data.sealed, 'base64'), additionalData(sealKey, day));
  key.fill(0);
  return secret?.length === DAY_SECRET_BYTES ? secret : undefined;
}
