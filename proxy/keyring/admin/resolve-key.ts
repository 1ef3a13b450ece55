/** Which key of a tenant a person means: by the id of its slot, or by its label where no other key of the tenant has the same one. */
import { keySlots } from '../slots/slot-types.ts';
import { type KeyringDeps, readKeyring } from './change-keyring.ts';
import { AmbiguousLabel, UnknownLabel } from './key-errors.ts';

const SLOT_ID = /^[0-9a-f]{8}$/;

/**
 * The slot's id. What looks like an id is one: a label of 8 hex digits names nothing.
 * @throws UnknownLabel, AmbiguousLabel, UnknownTenant, KeyringTampered; S3Error ServiceUnavailable
 */
export async function resolveKey(
  deps: KeyringDeps,
  { tenant, key }: { readonly tenant: string; readonly key: string },
  signal: AbortSignal,
): Promise<string> {
  if (SLOT_ID.test(key)) return key;
  const { keyring } = await readKeyring(deps, tenant, signal);
  const found = keySlots(keyring).filter(({ label }) => label === key);
  const [slot] = found;
  if (slot === undefined) throw new UnknownLabel(tenant, key);
  if (found.length > 1)
    throw new AmbiguousLabel(
      key,
      found.map(({ id }) => id),
    );
  return slot.id;
}
