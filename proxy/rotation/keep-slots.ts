/**
 * Whose keys go along into a new epoch. A slot can be wrapped to a new root key only with its API key, so those whose keys are
 * not at hand are dropped, by name and only when that was asked for.
 */
import type { AccessKey } from '../keyring/access-keys/access-key-id.ts';
import { KeyError } from '../keyring/admin/key-errors.ts';
import type { Keyring, Slot } from '../keyring/state/document.ts';

export interface SlotPlan {
  readonly kept: readonly { readonly slot: Slot; readonly key: AccessKey }[];
  readonly dropped: readonly Slot[];
}

/** A key that was given does not belong to the tenant's keyring. */
export class KeyMismatch extends KeyError {
  readonly code = 'KEY_MISMATCH';
}

/** Slots would lose their way in, and that was not asked for. */
export class SlotsWouldBeDropped extends KeyError {
  readonly code = 'SLOTS_WOULD_BE_DROPPED';
  constructor(slots: readonly Slot[]) {
    const names = slots.map(({ id, label }) => (label === '' ? id : `${id} (${label})`)).join(', ');
    super(
      `The API keys of these slots are not at hand, so they cannot open a new root key: ${names}. ` +
        'Give their keys with further --credentials, or drop them with --drop-slots.',
    );
  }
}

/** @throws KeyMismatch */
export function planSlots(keyring: Keyring, keys: readonly AccessKey[]): SlotPlan {
  const bySlot = new Map(keys.map((key) => [key.slot, key]));
  for (const { tenant, slot } of keys) {
    if (tenant !== keyring.tenant) throw new KeyMismatch("A key that was given is another tenant's.");
    if (keyring.slots.every(({ id }) => id !== slot))
      throw new KeyMismatch(`The keyring has no slot ${slot} any more.`);
  }
  const kept = keyring.slots.flatMap((slot) => {
    const key = bySlot.get(slot.id);
    return key === undefined ? [] : [{ slot, key }];
  });
  return { kept, dropped: keyring.slots.filter(({ id }) => !bySlot.has(id)) };
}
