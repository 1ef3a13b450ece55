/**
 * Records of the last use of keys that are gone: `sealgate gc` removes them. They are left where a server still used a key for
 * the moments in which it had not seen that it was revoked, or where removing them failed.
 */

import type { SealKeys } from '../access-keys/seal-keys.ts';
import { keySlots } from '../slots/slot-types.ts';
import type { Keyring } from '../state/document.ts';
import { KeyringTampered, keyringName, verifyKeyring } from '../state/records.ts';
import type { StateStore } from '../state/state.ts';
import { LAST_USED_NAMES, lastUsedName, type TenantSlot } from './last-used.ts';

const NAME = /^([0-9a-f]{24})\/([0-9a-f]{8})$/;

/**
 * Every record whose slot its tenant's keyring does not list as a key, or whose tenant is gone; removed unless `dryRun`. Those of a
 * tenant whose keyring does not verify, and other names, are left alone. @throws S3Error ServiceUnavailable
 */
export async function* collectOrphanedUses(o: {
  readonly state: StateStore;
  readonly sealKeys: SealKeys;
  readonly dryRun: boolean;
  readonly signal: AbortSignal;
}): AsyncGenerator<TenantSlot> {
  for await (const { tenant, slots } of byTenant(o.state, o.signal)) {
    // Read after the records were listed: a record is written for a slot that the keyring has by then.
    const keyring = await storedKeyring(o, tenant);
    if (keyring === 'unknown') continue;
    const known = keyring === 'gone' ? [] : keySlots(keyring);
    for (const slot of slots) {
      if (known.some(({ id }) => id === slot)) continue;
      if (!o.dryRun) await o.state.delete(lastUsedName({ tenant, slot }), o.signal);
      yield { tenant, slot };
    }
  }
}

/** The listing is sorted, so the records of one tenant follow each other. */
async function* byTenant(
  state: StateStore,
  signal: AbortSignal,
): AsyncGenerator<{ readonly tenant: string; readonly slots: string[] }> {
  let current: { tenant: string; slots: string[] } | undefined;
  for await (const name of state.list(LAST_USED_NAMES, signal)) {
    const [, tenant, slot] = NAME.exec(name.slice(LAST_USED_NAMES.length)) ?? [];
    if (tenant === undefined || slot === undefined) continue;
    if (current !== undefined && current.tenant !== tenant) {
      yield current;
      current = undefined;
    }
    current ??= { tenant, slots: [] };
    current.slots.push(slot);
  }
  if (current !== undefined) yield current;
}

/** `gone`: there is no such tenant. `unknown`: its keyring does not verify. */
export async function storedKeyring(
  o: { readonly state: StateStore; readonly sealKeys: SealKeys; readonly signal: AbortSignal },
  tenant: string,
): Promise<Keyring | 'gone' | 'unknown'> {
  const record = await o.state.get(keyringName(tenant), o.signal);
  if (record === undefined) return 'gone';
  try {
    return verifyKeyring(record.body, { tenant, sealKeys: o.sealKeys });
  } catch (error) {
    if (error instanceof KeyringTampered) return 'unknown';
    throw error;
  }
}
