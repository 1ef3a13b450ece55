/** A slot as it is shown: what the operator decided, and nothing that opens anything. */

import type { Grant } from '../grants.ts';
import { isInForce } from '../slots/slot-terms.ts';
import type { Keyring, Slot } from '../state/document.ts';
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

/** All keys of a keyring, in its order, with the day of their last use: one request each. @throws S3Error ServiceUnavailable */
export async function describeKeys(
  deps: LastUsedDeps & { readonly now: () => Date },
  { tenant, slots }: Keyring,
  signal: AbortSignal,
): Promise<readonly KeyDetails[]> {
  const uses = await readLastUses(deps, tenant, slots, signal);
  return slots.map((slot, index) => describeKey(slot, deps.now(), uses[index] ?? NOT_RECORDED));
}

function describeKey(slot: Slot, now: Date, lastUse: LastUse): KeyDetails {
  const { id, label, created, expires, kdf, kdfUpgrade, accessKeyId, registeredIds, idKid, grants } = slot;
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
    serverManaged: isServerManaged(slot),
    idSealKey: idKid,
    grants,
  };
}

/** Whether the API key stands in the state, sealed under S. */
export function isServerManaged(slot: Slot): boolean {
  return slot.accessKeyId === 'registered';
}
