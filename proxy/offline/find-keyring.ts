/** Where the keyring comes from: a file, or the state bucket, by whatever tells the tenant. */

import { readSmallFile } from '../config/small-file.ts';
import { S3Error } from '../errors.ts';
import { unsealAccessKeyId } from '../keyring/access-keys/access-key-id.ts';
import type { SealKeys } from '../keyring/access-keys/seal-keys.ts';
import { KEYRING_NAMES, keyringName, tenantOfName } from '../keyring/state/records.ts';
import type { StateStore } from '../keyring/state/state.ts';
import { MAX_KEYRING_BYTES } from '../limits.ts';
import { KeyringUnopened } from './open-keyring.ts';

export interface KeyringSource {
  /** A copy of the record; wins over the state bucket. */
  readonly file: string | undefined;
  readonly state: StateStore | undefined;
  /** 24 hex digits. */
  readonly tenant: string | undefined;
  readonly accessKeyId: string | undefined;
  readonly sealKeys: SealKeys | undefined;
}

/** The record's bytes, not verified. @throws KeyringUnopened when it cannot be told or found; S3Error */
export async function findKeyring(o: KeyringSource, signal: AbortSignal): Promise<Buffer> {
  if (o.file !== undefined) return readKeyringFile(o.file);
  if (o.state === undefined) {
    throw new KeyringUnopened('The keyring is needed: --keyring FILE, or SEALGATE_STATE for the state bucket.');
  }
  const tenant = o.tenant ?? tenantOfId(o) ?? (await onlyTenant(o.state, signal));
  const record = await o.state.get(keyringName(tenant), signal);
  if (record === undefined) throw new KeyringUnopened(`The state bucket has no keyring of tenant ${tenant}.`);
  return record.body;
}

async function readKeyringFile(path: string): Promise<Buffer> {
  const body = await readSmallFile(path, { maxBytes: MAX_KEYRING_BYTES + 1, Failure: KeyringUnopened });
  // Editors and shells end a file with a line feed, which no keyring has.
  return body.at(-1) === 0x0a ? body.subarray(0, -1) : body;
}

/** With a seal key the access key id tells. */
function tenantOfId({ accessKeyId, sealKeys }: KeyringSource): string | undefined {
  if (accessKeyId === undefined || sealKeys === undefined) return undefined;
  try {
    return unsealAccessKeyId(accessKeyId, sealKeys).tenant;
  } catch (error) {
    if (error instanceof S3Error) return undefined;
    throw error;
  }
}

async function onlyTenant(state: StateStore, signal: AbortSignal): Promise<string> {
  const tenants: string[] = [];
  for await (const name of state.list(KEYRING_NAMES, signal)) {
    const tenant = tenantOfName(name);
    if (tenant !== undefined) tenants.push(tenant);
    if (tenants.length > 1) break;
  }
  const [only] = tenants;
  if (only !== undefined && tenants.length === 1) return only;
  throw new KeyringUnopened(
    only === undefined
      ? 'The state bucket has no keyring.'
      : 'The state bucket has several keyrings: name the tenant by --tenant; x-amz-meta-enc-tenant of its objects says which.',
  );
}
