/** Which slot of a keyring a credential opens now, if any. Asked again for every request. */
import type { Credential } from './sessions/session-credential.ts';
import type { RoleSlot } from './slots/role-slot.ts';
import { isInForce, isUsable } from './slots/slot-terms.ts';
import { keySlotOf, roleSlotOf, type SessionSlot, sessionSlotOf } from './slots/slot-types.ts';
import type { Keyring } from './state/document.ts';

export interface CredentialSlot {
  readonly slot: SessionSlot;
  /** What limits a session besides. */
  readonly role?: RoleSlot;
}

/** `undefined`: the slot is gone or not in force, does not take that kind of access key id, or the session was ended since. */
export function credentialSlot(keyring: Keyring, key: Credential, now: Date): CredentialSlot | undefined {
  if (key.kind !== 'session') {
    const slot = keySlotOf(keyring, key.slot);
    return slot !== undefined && isUsable(slot, key, now) ? { slot } : undefined;
  }
  const slot = sessionSlotOf(keyring, key.slot);
  if (slot === undefined || !isInForce(slot, now) || slot.sessionSerial !== key.slotSerial) return undefined;
  if (key.details.role === undefined) return slot.type === 'role' ? undefined : { slot };
  const role = roleSlotOf(keyring, key.details.role);
  if (role === undefined || !isInForce(role, now) || role.sessionSerial !== key.roleSerial) return undefined;
  return slot.type === 'role' && slot.id !== role.id ? undefined : { slot, role };
}
