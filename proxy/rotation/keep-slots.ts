/**
 * Which slots go along into a new epoch. What that takes, the slot's type says: an API key's slot takes its API key, an escrow
 * takes nothing. A slot for which that is not at hand is dropped, by name and only when that was asked for.
 */
import { KeyError } from '../keyring/admin/key-errors.ts';
import type { AtHand, Reseal } from '../keyring/slots/slot-type.ts';
import { keySlotOf, labelOf, type Slot, typeOf } from '../keyring/slots/slot-types.ts';
import type { Keyring } from '../keyring/state/document.ts';

export interface SlotPlan {
  readonly kept: readonly { readonly slot: Slot; readonly reseal: Reseal<Slot> }[];
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
    const names = slots.map(nameOf).join(', ');
    super(
      `What opens these slots is not at hand, so they cannot open a new root key: ${names}. ` +
        'Give their keys with further --credentials, the ARNs of roles with --role-arn, or drop them with --drop-slots.',
    );
  }
}

/** @throws KeyMismatch */
export function planSlots(keyring: Keyring, atHand: AtHand): SlotPlan {
  const { keys } = atHand;
  for (const { tenant, slot } of keys) {
    if (tenant !== keyring.tenant) throw new KeyMismatch("A key that was given is another tenant's.");
    if (keySlotOf(keyring, slot) === undefined) throw new KeyMismatch(`The keyring has no key ${slot} any more.`);
  }
  const kept = keyring.slots.flatMap((slot) => {
    const reseal = resealOf(slot, atHand);
    return reseal === undefined ? [] : [{ slot, reseal }];
  });
  return { kept, dropped: keyring.slots.filter((slot) => kept.every((one) => one.slot !== slot)) };
}

/** The slots that do not go along by themselves. Those that do may come and go between a plan and its writing. */
export function slotsAtStake({ slots }: Pick<Keyring, 'slots'>): readonly Slot[] {
  return slots.filter((slot) => resealOf(slot, { keys: [], roleSecrets: new Map() }) === undefined);
}

function resealOf(slot: Slot, atHand: AtHand): Reseal<Slot> | undefined {
  return typeOf(slot).reseal(slot, atHand);
}

function nameOf(slot: Slot): string {
  const label = labelOf(slot);
  return label === '' ? slot.id : `${slot.id} (${label})`;
}
