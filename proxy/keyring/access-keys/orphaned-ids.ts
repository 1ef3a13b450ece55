/**
 * Removes records of registered access key ids that no key lists (`sealgate gc`). They stay behind where a command ended between
 * writing the record and changing the keyring, or where removing one failed. They open nothing by themselves, but they hold an API
 * key sealed under the seal key.
 */
import { ORPHANED_ID_AGE_SECONDS } from '../../limits.ts';
import { keySlots } from '../slots/slot-types.ts';
import type { StateStore } from '../state/state.ts';
import type { TenantSlot } from '../uses/last-used.ts';
import { storedKeyring } from '../uses/orphaned-uses.ts';
import { isRegisteredId, openRegistered, REGISTERED_NAMES, registeredName } from './registered-id.ts';
import type { SealKeys } from './seal-keys.ts';

/**
 * Yields the key of each such record, and removes the record unless `dryRun`. It leaves alone: records younger than
 * ORPHANED_ID_AGE_SECONDS, records that do not open, those of a tenant whose keyring does not verify, and other names.
 * @throws S3Error ServiceUnavailable
 */
export async function* collectOrphanedIds(o: {
  readonly state: StateStore;
  readonly sealKeys: SealKeys;
  readonly dryRun: boolean;
  readonly now: Date;
  readonly signal: AbortSignal;
}): AsyncGenerator<TenantSlot> {
  const oldest = o.now.getTime() - 1000 * ORPHANED_ID_AGE_SECONDS;
  for await (const name of o.state.list(REGISTERED_NAMES, o.signal)) {
    const id = name.slice(REGISTERED_NAMES.length);
    const record = isRegisteredId(id) ? await o.state.get(name, o.signal) : undefined;
    if (record?.modified === undefined || record.modified.getTime() > oldest) continue;
    const key = openRegistered(record.body, id, o.sealKeys);
    if (key === undefined) continue;
    const { tenant, slot } = key;
    // The keyring is read after the record, and the record is older than any change under way. A keyring that does not list it now
    // never will.
    const keyring = await storedKeyring(o, tenant);
    if (keyring === 'unknown') continue;
    if (keyring !== 'gone' && keySlots(keyring).some(({ registeredIds }) => registeredIds.includes(id))) continue;
    if (!o.dryRun) await o.state.delete(registeredName(id), o.signal);
    yield { tenant, slot };
  }
}
