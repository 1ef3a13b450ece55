/** Changes of the list of slots, as values for `changeKeyring` (change-keyring.ts). */
import { newSlotId } from '../ids.ts';
import type { EscrowSlot } from '../slots/escrow-slot.ts';
import { isInForce, type OperatorTerms } from '../slots/slot-terms.ts';
import {
  type KeySlot,
  keySlotOf,
  keySlots,
  REMOVABLE_TYPES,
  type Slot,
  slotsOfType,
  typeOf,
} from '../slots/slot-types.ts';
import { canonicalJson } from '../state/canonical-json.ts';
import type { Keyring } from '../state/document.ts';
import { timestamp } from '../state/fields.ts';
import { slotDigest } from '../state/macs.ts';
import { KeyringConflict } from './change-keyring.ts';
import { KmsRequired, TooManyKeys, UnknownKey } from './key-errors.ts';

/** Finds the slot of a key. @throws UnknownKey, also for a slot that is not a key */
export function slotOf(keyring: Keyring, id: string): KeySlot {
  const slot = keySlotOf(keyring, id);
  if (slot === undefined) throw new UnknownKey(keyring.tenant, id);
  return slot;
}

/** Makes an id for a new slot. The keyring has no such id, and never had one as far as it remembers. */
export function unusedSlotId({ slots, removed }: Keyring): string {
  return newSlotId(new Set([...slots, ...removed].map(({ id }) => id)));
}

/** The slot, unchanged since the change was decided. @throws KeyringConflict when it is another one by now, or gone */
export function sameSlot<S extends Slot>(keyring: Keyring, before: S): S {
  const now = keyring.slots.find((candidate) => candidate.id === before.id);
  if (now === undefined || !canonicalJson(now).equals(canonicalJson(before))) throw new KeyringConflict(keyring.tenant);
  return before;
}

/**
 * Adds the slot of a key. Where there is no room, the slot of the key that expired first is removed.
 * @throws TooManyKeys when none has expired; KmsRequired
 */
export function withSlot(keyring: Keyring, slot: KeySlot, now: Date): Keyring {
  requireAllowed(keyring, slot);
  const hasRoom = slotsOfType(keyring, slot.type).length < typeOf(slot).most;
  const room = hasRoom ? keyring : withoutOldest(keyring, slot.type, now);
  return { ...room, slots: byId([...room.slots, slot]) };
}

/**
 * Removes a slot with its salts and wraps. Where the operator can do that alone, id, type and digest of the slot stay listed, so
 * that the root MAC holds. Otherwise the root MAC must be made anew.
 * @throws UnknownKey
 */
export function withoutSlot(keyring: Keyring, id: string, now: Date): Keyring {
  const gone = keyring.slots.find((slot) => slot.id === id);
  if (gone === undefined) throw new UnknownKey(keyring.tenant, id);
  const slots = keyring.slots.filter((slot) => slot !== gone);
  const type = REMOVABLE_TYPES.find((one) => one === gone.type);
  if (type === undefined) return { ...keyring, slots };
  const record = { digest: slotDigest(gone), id, removed: timestamp(now), type };
  return { ...keyring, slots, removed: byId([...keyring.removed, record]) };
}

/** Replaces the terms of a key's slot. @throws UnknownKey */
export function withTerms(keyring: Keyring, id: string, terms: Partial<OperatorTerms>): Keyring {
  const old = slotOf(keyring, id);
  return withReplaced(keyring, { ...old, ...terms });
}

/** @throws KmsRequired for a slot that the keyring may not have */
export function requireAllowed({ requireKms, tenant }: Keyring, slot: Slot): void {
  if (requireKms !== undefined && !typeOf(slot).needsKms) throw new KmsRequired(tenant);
}

/** Replaces the slot that has the same id. */
export function withReplaced(keyring: Keyring, slot: Slot): Keyring {
  return { ...keyring, slots: keyring.slots.map((one) => (one.id === slot.id ? slot : one)) };
}

/** Replaces the escrow slot by `slot`, or removes it when there is no `slot`. This needs the root key. */
export function withEscrowSlot(keyring: Keyring, slot: EscrowSlot | undefined): Keyring {
  if (slot !== undefined) requireAllowed(keyring, slot);
  const others = keyring.slots.filter(({ type }) => type !== 'escrow');
  return { ...keyring, slots: byId(slot === undefined ? others : [...others, slot]) };
}

/** Whether any other key is in force now. */
export function hasOtherInForce(keyring: Keyring, id: string, now: Date): boolean {
  return keySlots(keyring).some((slot) => slot.id !== id && isInForce(slot, now));
}

function withoutOldest(keyring: Keyring, type: KeySlot['type'], now: Date): Keyring {
  const ofType = keySlots(keyring).filter((slot) => slot.type === type);
  const expired = ofType.filter(({ expires }) => expires !== null && Date.parse(expires) <= now.getTime());
  const [oldest] = expired.sort((a, b) => ((a.expires ?? '') < (b.expires ?? '') ? -1 : 1));
  if (oldest === undefined) throw new TooManyKeys(keyring.tenant);
  return withoutSlot(keyring, oldest.id, now);
}

/** Sorts in the order in which a keyring lists its slots. */
export function byId<T extends { readonly id: string }>(list: T[]): T[] {
  return list.sort((a, b) => (a.id < b.id ? -1 : 1));
}
