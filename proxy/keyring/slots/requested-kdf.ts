/**
 * A stronger KDF that was requested for a slot (crypto/FORMAT.md, "Keyring and access key ids", requested KDF). A session token
 * carries what the present KDF made of the API key, so a slot that is sealed under another KDF ends its sessions. Therefore the
 * request says until when sessions of the slot may live, and the slot stays as it is until then.
 *
 * Sessions cost nothing while no request stands. At the request every session ends within the longest duration that there is.
 * While the request stands, a session that would outlive the recorded time moves that time first, in the keyring. The upgrade is
 * a compare-and-swap of the same keyring, so of the two the later one sees the other, on whichever servers they run.
 */
import { z } from 'zod';
import { LONGEST_KEY_SESSION_SECONDS, SESSION_SKEW_SECONDS } from '../../session-limits.ts';
import { time, timestamp } from '../state/fields.ts';
import { isStronger, type Kdf, kdfSchema } from './kdf.ts';

const HOUR_SECONDS = 3_600;

/** `after`: sessions of the slot may live until then. Absent: no session has to be waited for. */
const WAITS = { after: time.exactOptional() };
const [hkdf, argon2id, pbkdf2] = kdfSchema.options;

export const requestedKdfSchema = z.discriminatedUnion('name', [
  hkdf.extend(WAITS),
  argon2id.extend(WAITS),
  pbkdf2.extend(WAITS),
]);

export type RequestedKdf = z.infer<typeof requestedKdfSchema>;

/** A request that is made now. `standing`: one that it replaces, which knows of every session since. */
export function requestKdf(kdf: Kdf, o: { readonly now: Date; readonly standing: RequestedKdf | null }): RequestedKdf {
  if (o.standing !== null) return waiting(kdf, o.standing.after);
  const seconds = Math.floor(o.now.getTime() / 1000) + LONGEST_KEY_SESSION_SECONDS + SESSION_SKEW_SECONDS;
  return waiting(kdf, timestamp(new Date(1000 * seconds)));
}

/** The KDF alone, as a slot is sealed by it. */
export function withoutWait({ after: _after, ...kdf }: RequestedKdf): Kdf {
  return kdf;
}

/** Whether no session of the slot can live any more. */
export function isDue({ after }: RequestedKdf, now: Date): boolean {
  return after === undefined || now.getTime() >= Date.parse(after);
}

/**
 * The request as it must stand before a session is issued that ends at `endsAt`, seconds since 1970; `undefined` when it stands so
 * already. Rounded up to an hour, so that a key that gives many sessions has its keyring written once an hour.
 */
export function waitingFor(requested: RequestedKdf, endsAt: number): RequestedKdf | undefined {
  const { after } = requested;
  if (after !== undefined && Date.parse(after) / 1000 >= endsAt + SESSION_SKEW_SECONDS) return undefined;
  const seconds = Math.ceil((endsAt + SESSION_SKEW_SECONDS) / HOUR_SECONDS) * HOUR_SECONDS;
  return waiting(withoutWait(requested), timestamp(new Date(1000 * seconds)));
}

/** The KDF of a slot that is sealed anew whatever becomes of its sessions: the requested one where it is stronger. */
export function nextKdf(slot: { readonly kdf: Kdf; readonly kdfUpgrade: RequestedKdf | null }): Kdf {
  const { kdf, kdfUpgrade } = slot;
  return kdfUpgrade !== null && isStronger(kdfUpgrade, kdf) ? withoutWait(kdfUpgrade) : kdf;
}

function waiting(kdf: Kdf, after: string | undefined): RequestedKdf {
  return after === undefined ? kdf : { ...kdf, after };
}
