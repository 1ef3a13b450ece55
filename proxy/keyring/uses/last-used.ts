/**
 * The day on which a key was last used: one small record in the state for each slot (crypto/FORMAT.md, "Keyring and access
 * key ids", last use). It is no part of the keyring, so that a use changes no generation and conflicts with no change of keys.
 *
 * A MAC under a subkey of S, bound to tenant and slot, keeps anybody without S from making a record up. An older record can be
 * put back, and any can be deleted, by whoever writes to the state: nothing is ever decided by one.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import { mapBounded } from '../../concurrency/map-bounded.ts';
import { LAST_USED_READS_AT_ONCE, MAX_LAST_USED_RECORD_BYTES } from '../../limits.ts';
import type { RecordEvent } from '../../observe/events.ts';
import type { SealKey, SealKeys } from '../access-keys/seal-keys.ts';
import { canonicalJson } from '../state/canonical-json.ts';
import { readRecord } from '../state/read-record.ts';
import type { StateRecord, StateStore } from '../state/state.ts';

export const LAST_USED_NAMES = 'used/';
const FORMAT = 'sealgate-last-used/1';
const DAY = /^\d{4}-\d{2}-\d{2}$/;

const recordSchema = z.strictObject({
  day: z.string().refine((day) => DAY.test(day) && isDay(day)),
  format: z.literal(FORMAT),
  kid: z.string(),
  mac: z.string(),
});

/** A slot of a tenant: 24 and 8 hex digits. */
export interface TenantSlot {
  readonly tenant: string;
  readonly slot: string;
}

/** `day`: YYYY-MM-DD in UTC; `null` when no use is recorded, and `note` then says why. */
export type LastUse =
  | { readonly day: string; readonly note: null }
  | { readonly day: null; readonly note: 'not recorded' | 'not recorded: a record that does not verify is ignored' };

export const NOT_RECORDED: LastUse = { day: null, note: 'not recorded' };

export interface LastUsedDeps {
  readonly state: StateStore;
  readonly sealKeys: SealKeys;
  readonly record: RecordEvent;
}

/** Record name of a slot's last use. */
export function lastUsedName({ tenant, slot }: TenantSlot): string {
  return `${LAST_USED_NAMES}${tenant}/${slot}`;
}

/** The UTC day of an instant, YYYY-MM-DD. */
export function dayOf(instant: Date): string {
  return instant.toISOString().slice(0, 10);
}

/** The record's bytes. `day`: YYYY-MM-DD. */
export function sealLastUsed(of: TenantSlot, day: string, sealKey: SealKey): Buffer {
  const covered = { day, format: FORMAT, kid: sealKey.kid };
  return canonicalJson({ ...covered, mac: macOf(of, covered, sealKey).toString('base64') });
}

/** Day and seal key of a record; `undefined`: none of the seal keys made it for this slot. */
export function openLastUsed(
  body: Buffer,
  of: TenantSlot,
  sealKeys: SealKeys,
): { readonly day: string; readonly kid: string } | undefined {
  const record = readRecord(body, recordSchema, MAX_LAST_USED_RECORD_BYTES);
  const sealKey = record && sealKeys.withId(record.kid);
  if (record === undefined || sealKey === undefined) return undefined;
  const { mac, ...covered } = record;
  const [given, wanted] = [Buffer.from(mac, 'base64'), macOf(of, covered, sealKey)];
  // One text for each MAC: a decoder of base64 lets others pass.
  if (given.length !== wanted.length || given.toString('base64') !== mac) return undefined;
  return timingSafeEqual(given, wanted) ? covered : undefined;
}

/** A record as it is stored, and what it says; one that does not verify is a security event, and says nothing. */
export async function fetchLastUsed(
  deps: LastUsedDeps,
  of: TenantSlot,
  signal: AbortSignal,
): Promise<{ stored: StateRecord; day: string | undefined; kid: string | undefined } | undefined> {
  const stored = await deps.state.get(lastUsedName(of), signal);
  if (stored === undefined) return undefined;
  const opened = openLastUsed(stored.body, of, deps.sealKeys);
  if (opened === undefined) {
    const detail = `The record of the last use of slot ${of.slot} does not verify, and is ignored.`;
    await deps.record({ kind: 'last-used-tampered', detail, tenant: of.tenant });
  }
  return { stored, day: opened?.day, kid: opened?.kid };
}

/** When a key was last used, as far as it is recorded. @throws S3Error ServiceUnavailable */
export async function readLastUse(deps: LastUsedDeps, of: TenantSlot, signal: AbortSignal): Promise<LastUse> {
  const found = await fetchLastUsed(deps, of, signal);
  if (found === undefined) return NOT_RECORDED;
  if (found.day === undefined) return { day: null, note: 'not recorded: a record that does not verify is ignored' };
  return { day: found.day, note: null };
}

/** The same for several slots of a tenant, in their order: one request each. */
export function readLastUses(
  deps: LastUsedDeps,
  tenant: string,
  slots: readonly { readonly id: string }[],
  signal: AbortSignal,
): Promise<readonly LastUse[]> {
  return mapBounded(slots, LAST_USED_READS_AT_ONCE, ({ id }) => readLastUse(deps, { tenant, slot: id }, signal));
}

/**
 * Removes the records of slots that are gone. Where there is none, nothing is deleted, so that a versioned bucket gets no delete
 * marker. Never rejects: the slots are gone already, and `sealgate gc` removes what is left.
 */
export async function forgetLastUses(
  state: StateStore,
  tenant: string,
  slots: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  try {
    for (const slot of slots) {
      const name = lastUsedName({ tenant, slot });
      if ((await state.get(name, signal)) !== undefined) await state.delete(name, signal);
    }
  } catch {
    // Left to gc.
  }
}

function macOf({ tenant, slot }: TenantSlot, covered: { day: string; format: string; kid: string }, sealKey: SealKey) {
  const key = sealKey.lastUsedKey(Buffer.from(tenant, 'hex'), Buffer.from(slot, 'hex'));
  return createHmac('sha256', key).update(canonicalJson(covered)).digest();
}

function isDay(text: string): boolean {
  const time = Date.parse(`${text}T00:00:00Z`);
  return !Number.isNaN(time) && dayOf(new Date(time)) === text;
}
