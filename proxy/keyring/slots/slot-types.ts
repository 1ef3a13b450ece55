/**
 * The types of slots, one row each (slot-type.ts). The schema of a keyring's slots and the types of this program follow from
 * the rows. To add a type: its file, its row here, its section in crypto/FORMAT.md, its vectors.
 */
import { z } from 'zod';
import { apiKeyKmsSlot } from './api-key-kms-slot.ts';
import { apiKeySlot } from './api-key-slot.ts';
import { escrowSlot } from './escrow-slot.ts';
import { kmsSlot } from './kms-slot.ts';
import { type RoleSlot, roleSlot } from './role-slot.ts';
import type { KeyOpening, OpenedSlot, SecretOpening, SlotType } from './slot-type.ts';

export const SLOT_TYPES = {
  'api-key': apiKeySlot,
  'api-key+kms': apiKeyKmsSlot,
  escrow: escrowSlot,
  kms: kmsSlot,
  role: roleSlot,
} as const;

type Rows = typeof SLOT_TYPES;
type Name = keyof Rows;
type SlotOf<T extends Name> = z.infer<Rows[T]['schema']>;
/** The types whose row says so of `question`. */
type Where<Question extends 'signs' | 'operatorRemoves' | 'needsKms'> = {
  [T in Name]: Rows[T][Question] extends true ? T : never;
}[Name];

/** One way to a tenant's root keys. */
export type Slot = { [T in Name]: SlotOf<T> }[Name];
/** A slot that access key ids can name. */
export type KeySlot = SlotOf<Where<'signs'>>;

/** A slot that a key of a KMS must agree to open. */
export type SlotOfKms = SlotOf<Where<'needsKms'>>;

/** A slot that sessions are issued from. */
export type SessionSlot = { [T in Name]: Rows[T] extends { openBySecret: unknown } ? SlotOf<T> : never }[Name];

const NAMES = Object.keys(SLOT_TYPES) as readonly Name[];

/** Slots of all types together, at most. */
export const MAX_SLOTS = NAMES.reduce((sum, name) => sum + SLOT_TYPES[name].most, 0);

/** Types whose slots the operator can take away alone, and which may therefore stand among the removed ones. */
export const REMOVABLE_TYPES = NAMES.filter(
  (name): name is Where<'operatorRemoves'> => SLOT_TYPES[name].operatorRemoves,
);

type Schema = Rows[Name]['schema'];

/** A slot of any type that has a row. A keyring with a slot of another type is refused whole. */
export const slotSchema = z.discriminatedUnion(
  'type',
  NAMES.map((name): Schema => SLOT_TYPES[name].schema) as [Schema, ...Schema[]],
);

/** The row of a slot's type. */
export function typeOf(slot: Slot): SlotType<Slot> {
  return SLOT_TYPES[slot.type];
}

export function isKeySlot(slot: Slot): slot is KeySlot {
  return typeOf(slot).signs;
}

/** The slots that access key ids can name, in the order of the keyring. */
export function keySlots({ slots }: { readonly slots: readonly Slot[] }): readonly KeySlot[] {
  return slots.filter(isKeySlot);
}

/** The slot that an access key id names; `undefined` for one that is not listed, and for one of a type that signs nothing. */
export function keySlotOf(keyring: { readonly slots: readonly Slot[] }, id: string): KeySlot | undefined {
  const slot = keyring.slots.find((one) => one.id === id);
  return slot !== undefined && isKeySlot(slot) ? slot : undefined;
}

/** The slots that a key of a KMS must agree to open, in the order of the keyring. */
export function kmsSlots({ slots }: { readonly slots: readonly Slot[] }): readonly SlotOfKms[] {
  return slots.filter((slot): slot is SlotOfKms => typeOf(slot).needsKms);
}

/** What the operator calls it; '' for none. */
export function labelOf(slot: Slot): string {
  if (slot.type === 'role') return `role ${slot.name}`;
  return 'label' in slot ? slot.label : '';
}

export function slotsOfType<T extends Name>(
  keyring: { readonly slots: readonly Slot[] },
  type: T,
): readonly SlotOf<T>[] {
  return keyring.slots.filter((slot): slot is SlotOf<T> & Slot => slot.type === type);
}

/** Opens a slot with the API key that an access key id carries. */
export function openKeySlot(
  o: { readonly tenant: string; readonly slot: KeySlot } & KeyOpening,
  signal: AbortSignal,
): Promise<OpenedSlot> {
  const { slot, ...opening } = o;
  return slot.type === 'api-key'
    ? apiKeySlot.open({ ...opening, slot }, signal)
    : apiKeyKmsSlot.open({ ...opening, slot }, signal);
}

/** The slot that a session was issued from; `undefined` when it is gone. */
export function sessionSlotOf(keyring: { readonly slots: readonly Slot[] }, id: string): SessionSlot | undefined {
  return keyring.slots.find((one): one is SessionSlot => one.id === id && 'openBySecret' in SLOT_TYPES[one.type]);
}

/** A role by its name in the tenant. */
export function roleSlotOf(keyring: { readonly slots: readonly Slot[] }, name: string): RoleSlot | undefined {
  return slotsOfType(keyring, 'role').find((one) => one.name === name);
}

/** Opens a slot with what a session token carries. @throws S3Error ServiceUnavailable where a KMS must agree */
export async function openSessionSlot(
  o: { readonly tenant: string; readonly slot: SessionSlot } & SecretOpening,
  signal: AbortSignal,
): Promise<OpenedSlot> {
  const { slot, ...opening } = o;
  if (slot.type === 'role') return roleSlot.openBySecret({ ...opening, slot });
  if (slot.type === 'api-key') return apiKeySlot.openBySecret({ ...opening, slot });
  return apiKeyKmsSlot.openBySecret({ ...opening, slot }, signal);
}

/** Without the wraps of the epochs that are not kept. */
export function withEpochs(slot: Slot, isKept: (epoch: number) => boolean): Slot {
  const { wraps } = slot;
  const kept: readonly AnyWrap[] = wraps.filter(({ epoch }: AnyWrap) => isKept(epoch));
  // Only of the slot's own wraps, so that they are still of its type.
  return { ...slot, wraps: kept } as Slot;
}

interface AnyWrap {
  readonly epoch: number;
}
