/**
 * The two MACs of a keyring (crypto/FORMAT.md, "Keyring and access key ids", MACs). The operator's, under S, covers the
 * whole document and is checked before any KDF runs. The root's, under the current root key, covers what opens the tenant
 * (slots, epochs) and not what the operator may change alone (grants, labels, expiry, status, the kind of access key id), so S
 * adds no way in. Which members of a slot that is, its type says (slots/slot-type.ts).
 *
 * The root MAC sees each slot as id, type and digest, and a removed slot leaves these behind: S alone can take a slot's key
 * material away, and the MAC still holds for the slots that stay. A type that S may not remove is none that a removed slot
 * can have, so the MAC fails without such a slot.
 */
import { createHash, createHmac, type KeyObject, timingSafeEqual } from 'node:crypto';
import { deriveKey } from '../../../crypto/keys.ts';
import type { SealKey, SealKeys } from '../access-keys/seal-keys.ts';
import { type Slot, typeOf } from '../slots/slot-types.ts';
import { canonicalJson } from './canonical-json.ts';
import type { Keyring } from './document.ts';

const ROOT_LABEL = 'sealgate/1/keyring-mac';
const NO_SALT = Buffer.alloc(0);

/** The part under the operator's MAC: everything except that MAC. The id of the seal key and the root MAC are covered. */
export type OperatorPart = Omit<Keyring, 'operatorMac'>;
/** What the root MAC covers. */
export type RootPart = Pick<Keyring, 'tenant' | 'format' | 'epochs' | 'slots' | 'removed' | 'requireKms'>;

/** base64 of 32 bytes. `key.kid` must be the document's `operatorKid`. */
export function operatorMac(keyring: OperatorPart, key: SealKey): string {
  const hmac = createHmac('sha256', key.operatorKey(Buffer.from(keyring.tenant, 'hex')));
  return hmac.update(canonicalJson(keyring)).digest('base64');
}

/** Whether one of the server's seal keys signed exactly this document. */
export function hasOperatorMac(keyring: Keyring, sealKeys: SealKeys): boolean {
  const key = sealKeys.withId(keyring.operatorKid);
  if (key === undefined) return false;
  const { operatorMac: mac, ...covered } = keyring;
  return isEqual(mac, operatorMac(covered, key));
}

/** base64 of 32 bytes. `root`: the root key of the current epoch. */
export function rootMac(keyring: RootPart, root: KeyObject): string {
  const tenant = Buffer.from(keyring.tenant, 'hex');
  const key = deriveKey(root, { label: ROOT_LABEL, salt: NO_SALT, context: [tenant] });
  const mac = createHmac('sha256', key).update(rootMacInput(keyring)).digest('base64');
  key.fill(0);
  return mac;
}

export function hasRootMac(keyring: Keyring, root: KeyObject): boolean {
  return isEqual(keyring.rootMac, rootMac(keyring, root));
}

/** SHA-256, in hex, of a slot's record and wraps: the slot without what the operator may change alone. */
export function slotDigest(slot: Slot): string {
  const covered = { ...typeOf(slot).record(slot), wraps: slot.wraps };
  return createHash('sha256').update(canonicalJson(covered)).digest('hex');
}

/** The bytes under the root MAC: equal bytes before and after a change mean that the MAC still holds. */
export function rootMacInput({ format, epochs, slots, removed, requireKms }: RootPart): Buffer {
  const live = slots.map((slot) => ({ digest: slotDigest(slot), id: slot.id, type: slot.type }));
  const gone = removed.map(({ digest, id, type }) => ({ digest, id, type }));
  const all = [...live, ...gone].sort((a, b) => (a.id < b.id ? -1 : 1));
  const required = requireKms === undefined ? {} : { requireKms };
  return canonicalJson({ epochs, format, ...required, slots: all });
}

function isEqual(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a, 'base64'), Buffer.from(b, 'base64')];
  return left.length === right.length && timingSafeEqual(left, right);
}
