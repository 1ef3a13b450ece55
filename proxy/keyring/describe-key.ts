/** A slot as it is shown: what the operator decided, and nothing that opens anything. */
import type { Slot } from './document.ts';
import type { Grant } from './grants.ts';
import { isInForce } from './slot-terms.ts';

export interface KeyDetails {
  /** 8 hex digits. */
  readonly slot: string;
  readonly status: 'active' | 'inactive' | 'expired';
  readonly label: string;
  readonly created: string;
  readonly expires: string | null;
  readonly kdf: Slot['kdf'];
  /** What the key is to be derived by from its next sign-in on. */
  readonly kdfUpgrade: Slot['kdfUpgrade'];
  readonly accessKeyId: Slot['accessKeyId'];
  /** Registered access key ids in use; the ids themselves are not shown. */
  readonly registeredIds: number;
  /** State and seal keys together open it: its access key id is a registered one. */
  readonly serverManaged: boolean;
  /** Id of the seal key that its access key id was last made under. */
  readonly idSealKey: string;
  readonly grants: readonly Grant[];
}

export function describeKey(slot: Slot, now: Date): KeyDetails {
  const { id, label, created, expires, kdf, kdfUpgrade, accessKeyId, registeredIds, idKid, grants } = slot;
  return {
    slot: id,
    status: slot.status === 'inactive' ? 'inactive' : isInForce(slot, now) ? 'active' : 'expired',
    label,
    created,
    expires,
    kdf,
    kdfUpgrade,
    accessKeyId,
    registeredIds: registeredIds.length,
    serverManaged: isServerManaged(slot),
    idSealKey: idKid,
    grants,
  };
}

/** Whether the API key stands in the state, sealed under S. */
export function isServerManaged(slot: Slot): boolean {
  return slot.accessKeyId === 'registered';
}
