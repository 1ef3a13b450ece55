/**
 * The operator's terms of a slot (crypto/FORMAT.md, "Keyring and access key ids", slots): who may use it, until when, under
 * which kind of access key id. They stand under the operator's MAC alone, so they can be changed without any API key.
 */
import type { AccessKey } from '../access-keys/access-key-id.ts';
import type { Grant } from '../grants.ts';
import { type Slot, timestamp } from '../state/document.ts';
import type { SlotTerms } from './slot.ts';

/** Terms of a new slot whose access key id is sealed: active, never expiring and without a note unless said otherwise. */
export function newSlotTerms(o: {
  id: string;
  now: Date;
  grants: readonly Grant[];
  /** Id of the seal key that its access key id is made under. */
  idKid: string;
  label?: string;
  /** As `timestamp` writes it. */
  expires?: string | null;
}): SlotTerms {
  return {
    accessKeyId: 'sealed',
    created: timestamp(o.now),
    expires: o.expires ?? null,
    grants: [...o.grants],
    id: o.id,
    idKid: o.idKid,
    kdfUpgrade: null,
    label: o.label ?? '',
    registeredIds: [],
    status: 'active',
  };
}

/** Whether a slot takes requests at all. */
export function isInForce(slot: Pick<Slot, 'status' | 'expires'>, now: Date): boolean {
  return slot.status === 'active' && (slot.expires === null || now.getTime() < Date.parse(slot.expires));
}

/** Whether it takes this access key id: of the slot's kind and, when registered, one that the slot lists. */
export function isUsable(slot: Slot, key: AccessKey, now: Date): boolean {
  if (!isInForce(slot, now)) return false;
  if (key.kind === 'sealed') return slot.accessKeyId === 'sealed';
  return slot.accessKeyId === 'registered' && slot.registeredIds.includes(key.registeredId);
}
