/** Slots as they are shown: what the operator decided, and nothing that opens a tenant. */

import type { KmsWrap } from '../../kms/kms-secrets.ts';
import type { Grant } from '../grants.ts';
import { isInForce } from '../slots/slot-terms.ts';
import { isKeySlot, type KeySlot, keySlots, typeOf } from '../slots/slot-types.ts';
import type { Keyring } from '../state/document.ts';
import { type LastUse, type LastUsedDeps, NOT_RECORDED, readLastUses } from '../uses/last-used.ts';

export interface KeyDetails {
  /** 8 hex digits. */
  readonly slot: string;
  readonly status: 'active' | 'inactive' | 'expired';
  readonly label: string;
  readonly created: string;
  readonly expires: string | null;
  /** YYYY-MM-DD in UTC; null when no use is recorded, and the note says why. */
  readonly lastUsed: LastUse['day'];
  readonly lastUsedNote: LastUse['note'];
  readonly kdf: KeySlot['kdf'];
  /** The key derivation that replaces the present one at the next sign-in of the key. */
  readonly kdfUpgrade: KeySlot['kdfUpgrade'];
  readonly accessKeyId: KeySlot['accessKeyId'];
  /** Registered access key ids in use; the ids themselves are not shown. */
  readonly registeredIds: number;
  /** The key of a KMS that must agree; null for a key that opens without one. */
  readonly kms: Pick<KmsWrap, 'provider' | 'key' | 'version' | 'wrapped'> | null;
  /** True when state and seal keys together open the key, because its access key id is a registered one. */
  readonly serverManaged: boolean;
  /** Id of the seal key that its access key id was last made under. */
  readonly idSealKey: string;
  readonly grants: readonly Grant[];
  /** In place of grants, IAM's JSON. */
  readonly policy: string | null;
}

/** All keys of a keyring, in its order, with the day of their last use: one request each. @throws S3Error ServiceUnavailable */
export async function describeKeys(
  deps: LastUsedDeps & { readonly now: () => Date },
  keyring: Keyring,
  signal: AbortSignal,
): Promise<readonly KeyDetails[]> {
  const slots = keySlots(keyring);
  const uses = await readLastUses(deps, keyring.tenant, slots, signal);
  return slots.map((slot, index) => describeKey(slot, deps.now(), uses[index] ?? NOT_RECORDED));
}

function describeKey(slot: KeySlot, now: Date, lastUse: LastUse): KeyDetails {
  const { id, label, created, expires, kdf, kdfUpgrade, accessKeyId, registeredIds, idKid, grants, policy } = slot;
  return {
    slot: id,
    status: slot.status === 'inactive' ? 'inactive' : isInForce(slot, now) ? 'active' : 'expired',
    label,
    created,
    expires,
    lastUsed: lastUse.day,
    lastUsedNote: lastUse.note,
    kdf,
    kdfUpgrade,
    accessKeyId,
    registeredIds: registeredIds.length,
    kms: slot.type === 'api-key+kms' ? withoutBlob(slot.kms) : null,
    serverManaged: typeOf(slot).serverManaged(slot),
    idSealKey: idKid,
    grants,
    policy,
  };
}

function withoutBlob({ provider, key, version, wrapped }: KmsWrap): KeyDetails['kms'] {
  return { provider, key, version, wrapped };
}

/** A slot that no access key id names: a way into the tenant beside its keys. */
export interface OtherSlotDetails {
  /** 8 hex digits. */
  readonly slot: string;
  readonly type: string;
  readonly created: string;
  readonly epochs: readonly number[];
  readonly serverManaged: boolean;
  /** What its type shows besides. */
  readonly details: Readonly<Record<string, string>>;
}

/** All slots of a keyring that are no keys, in its order. */
export function describeOtherSlots({ slots }: Keyring): readonly OtherSlotDetails[] {
  return slots
    .filter((slot) => !isKeySlot(slot))
    .map((slot) => ({
      slot: slot.id,
      type: slot.type,
      created: slot.created,
      epochs: slot.wraps.map(({ epoch }) => epoch),
      serverManaged: typeOf(slot).serverManaged(slot),
      details: typeOf(slot).details(slot),
    }));
}
