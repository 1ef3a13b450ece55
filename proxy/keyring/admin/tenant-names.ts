/**
 * Names of tenants, for people: `billing` in place of 24 hex digits. A name stands in the tenant's keyring, under the operator's MAC;
 * the record `names/NAME` only leads there, and makes that no two tenants get the same one. Whatever the record says, the keyring
 * decides (crypto/FORMAT.md, names of tenants).
 */
import { TENANT_NAME_CLAIM_MS } from '../../running-limits.ts';
import { isTenantId } from '../ids.ts';
import type { Keyring } from '../state/document.ts';
import { isTenantName } from '../state/fields.ts';
import { KEYRING_NAMES, KeyringTampered, tenantOfName, UnknownTenant } from '../state/records.ts';
import { StateConflict } from '../state/state.ts';
import { changeKeyring, type KeyringDeps, readKeyring } from './change-keyring.ts';
import { KeyError } from './key-errors.ts';

export const TENANT_NAMES = 'names/';

export class TenantNameTaken extends KeyError {
  readonly code = 'TENANT_NAME_TAKEN';
}

/** The tenant that a person means by an id or a name. @throws UnknownTenant, S3Error ServiceUnavailable */
export async function resolveTenant(deps: KeyringDeps, text: string, signal: AbortSignal): Promise<string> {
  if (isTenantId(text)) return text;
  if (!isTenantName(text)) throw new UnknownTenant(JSON.stringify(text));
  const record = await deps.state.get(TENANT_NAMES + text, signal);
  const claimed = record?.body.toString('latin1') ?? '';
  if (await hasName(deps, claimed, text, signal)) return claimed;
  // State that was restored without this record: the keyrings know.
  for await (const name of deps.state.list(KEYRING_NAMES, signal)) {
    const tenant = tenantOfName(name) ?? '';
    if (await hasName(deps, tenant, text, signal)) return tenant;
  }
  throw new UnknownTenant(text);
}

/** Makes a name a tenant's, before its keyring says so. @throws TenantNameTaken, S3Error ServiceUnavailable */
export async function claimName(deps: KeyringDeps, name: string, tenant: string, signal: AbortSignal): Promise<void> {
  const record = await deps.state.get(TENANT_NAMES + name, signal);
  const holder = record?.body.toString('latin1') ?? '';
  if (record !== undefined && holder !== tenant) {
    const age =
      record.modified === undefined ? Number.POSITIVE_INFINITY : deps.now().getTime() - record.modified.getTime();
    // A claim without a keyring is one under way, or one that was given up.
    if (age < TENANT_NAME_CLAIM_MS || (await hasName(deps, holder, name, signal))) throw taken(name);
  }
  try {
    const condition = record === undefined ? { ifAbsent: true as const } : { ifMatch: record.etag };
    await deps.state.put(TENANT_NAMES + name, Buffer.from(tenant, 'latin1'), condition, signal);
  } catch (error) {
    throw error instanceof StateConflict ? taken(name) : error;
  }
}

/** Takes the record away that leads from a name to the tenant; one that leads to another stays. */
export async function releaseName(deps: KeyringDeps, name: string, tenant: string, signal: AbortSignal): Promise<void> {
  if (name === '') return;
  const record = await deps.state.get(TENANT_NAMES + name, signal);
  if (record?.body.toString('latin1') === tenant) await deps.state.delete(TENANT_NAMES + name, signal);
}

/** Gives a tenant another name, or none: ''. @throws TenantNameTaken, UnknownTenant, KeyringTampered, KeyringConflict */
export async function renameTenant(
  deps: KeyringDeps,
  tenant: string,
  name: string,
  signal: AbortSignal,
): Promise<void> {
  const { keyring: before } = await readKeyring(deps, tenant, signal);
  if (before.name === name) return;
  if (name !== '') await claimName(deps, name, tenant, signal);
  const rename = (keyring: Keyring) => (keyring.name === name ? undefined : { ...keyring, name });
  const detail = `From ${JSON.stringify(before.name)} to ${JSON.stringify(name)}`;
  await changeKeyring(deps, tenant, rename, { signal, event: { kind: 'tenant-renamed', detail, tenant } });
  await releaseName(deps, before.name, tenant, signal);
}

async function hasName(deps: KeyringDeps, tenant: string, name: string, signal: AbortSignal): Promise<boolean> {
  if (!isTenantId(tenant)) return false;
  try {
    return (await readKeyring(deps, tenant, signal)).keyring.name === name;
  } catch (error) {
    if (error instanceof UnknownTenant || error instanceof KeyringTampered) return false;
    throw error;
  }
}

function taken(name: string): TenantNameTaken {
  return new TenantNameTaken(`There is a tenant with the name '${name}' already, or one is being made.`);
}
