/** Changes of the list of slots, as values: what `changeKeyring` is given (change-keyring.ts). */
import { MAX_KEYRING_SLOTS } from '../../limits.ts';
import { newSlotId } from '../ids.ts';
import type { OperatorTerms } from '../slots/slot.ts';
import { isInForce } from '../slots/slot-terms.ts';
import { canonicalJson } from '../state/canonical-json.ts';
import { type Keyring, type Slot, timestamp } from '../state/document.ts';
import { slotDigest } from '../state/macs.ts';
import { KeyringConflict } from './change-keyring.ts';
import { TooManyKeys, UnknownKey } from './key-errors.ts';

/** @throws UnknownKey */
export function slotOf(keyring: Keyring, id: string): Slot {
  const slot = keyring.slots.find((candidate) => candidate.id === id);
  if (slot === undefined) throw new UnknownKey(keyring.tenant, id);
  return slot;
}

/** An id for a further slot: none that the keyring has, or had as far as it is remembered. */
export function unusedSlotId({ slots, removed }: Keyring): string {
  return newSlotId(new Set([...slots, ...removed].map(({ id }) => id)));
}

/** The slot as it was when a change was decided. @throws KeyringConflict when it is another by now, or gone */
export function sameSlot(keyring: Keyring, before: Slot): Slot {
  const now = keyring.slots.find((candidate) => candidate.id === before.id);
  if (now === undefined || !canonicalJson(now).equals(canonicalJson(before))) throw new KeyringConflict(keyring.tenant);
  return now;
}

/**
 * With a further slot. Where there is no room, the slot that expired first makes it.
 * @throws TooManyKeys when none has expired
 */
export function withSlot(keyring: Keyring, slot: Slot, now: Date): Keyring {
  const room = keyring.slots.length < MAX_KEYRING_SLOTS ? keyring : withoutOldest(keyring, now);
  return { ...room, slots: byId([...room.slots, slot]) };
}

/** Without a slot: its id and digest stay named, its salts and wraps are gone. @throws UnknownKey */
export function withoutSlot(keyring: Keyring, id: string, now: Date): Keyring {
  const gone = slotOf(keyring, id);
  const record = { digest: slotDigest(gone), id, removed: timestamp(now) };
  return {
    ...keyring,
    slots: keyring.slots.filter((slot) => slot !== gone),
    removed: byId([...keyring.removed, record]),
  };
}

/** With other terms for a slot. @throws UnknownKey */
export function withTerms(keyring: Keyring, id: string, terms: Partial<OperatorTerms>): Keyring {
  const old = slotOf(keyring, id);
  return withReplaced(keyring, { ...old, ...terms });
}

/** With a slot in the place of the one that has its id. */
export function withReplaced(keyring: Keyring, slot: Slot): Keyring {
  return { ...keyring, slots: keyring.slots.map((one) => (one.id === slot.id ? slot : one)) };
}

/** Whether any other slot takes requests now. */
export function hasOtherInForce(keyring: Keyring, id: string, now: Date): boolean {
  return keyring.slots.some((slot) => slot.id !== id && isInForce(slot, now));
}

function withoutOldest(keyring: Keyring, now: Date): Keyring {
  const expired = keyring.slots.filter(({ expires }) => expires !== null && Date.parse(expires) <= now.getTime());
  const [oldest] = expired.sort((a, b) => ((a.expires ?? '') < (b.expires ?? '') ? -1 : 1));
  if (oldest === undefined) throw new TooManyKeys(keyring.tenant);
  return withoutSlot(keyring, oldest.id, now);
}

function byId<T extends { readonly id: string }>(list: T[]): T[] {
  return list.sort((a, b) => (a.id < b.id ? -1 : 1));
}
