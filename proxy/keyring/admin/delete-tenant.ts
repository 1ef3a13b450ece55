/**
 * The end of a tenant: its keyring is destroyed, and with it every way to its root keys, so all it stored is unreadable for
 * ever, wherever copies of the ciphertext are (docs/keys.md, deleting a tenant). The objects stay where they are. Copies of the
 * keyring elsewhere, with an API key, would still open them.
 */
import type { Backend } from '../../backend/backend.ts';
import { backendFailure, readErrorResponse } from '../../backend/errors.ts';
import { discard } from '../../backend/read-body.ts';
import { forgetJobs } from '../../jobs/forget-jobs.ts';
import { recordLast, removeState } from '../../multipart/remove-state.ts';
import type { UploadAddress } from '../../multipart/upload.ts';
import { recordName, StoredRecord, UPLOADS_PREFIX } from '../../multipart/upload-record.ts';
import { isRegisteredId, openRegistered, REGISTERED_NAMES } from '../access-keys/registered-id.ts';
import { openRoleRecord, ROLE_RECORDS } from '../access-keys/role-arn.ts';
import { openNamesOf } from '../approvals/open-requests.ts';
import { isTenantId } from '../ids.ts';
import { keySlots } from '../slots/slot-types.ts';
import { type Keyring, KeyringMalformed, parseKeyring } from '../state/document.ts';
import { keyringName, tenantOfName, UnknownTenant } from '../state/records.ts';
import type { StateRecord } from '../state/state.ts';
import { LAST_USED_NAMES } from '../uses/last-used.ts';
import { announced } from './announce.ts';
import type { KeyringDeps } from './change-keyring.ts';
import { forgetIds } from './issue-key.ts';
import { releaseName } from './tenant-names.ts';

export interface DeletedTenant {
  readonly keys: number;
  /** Multipart uploads in progress that were aborted. */
  readonly uploads: number;
}

/**
 * Removes keyring, escrow, registered ids, records of last use, jobs and uploads in progress. A keyring that does not verify is
 * removed too. Run again after a failure, it goes on: whose a registered id is, its record tells to who has the seal keys.
 * @throws UnknownTenant when nothing of the tenant was left, S3Error ServiceUnavailable
 */
export async function deleteTenant(
  deps: KeyringDeps,
  backend: Backend,
  tenant: string,
  signal: AbortSignal,
): Promise<DeletedTenant> {
  const name = keyringName(tenant);
  const record = tenantOfName(name) === undefined ? undefined : await deps.state.get(name, signal);
  const keyring = record && parse(record.body, tenant);
  const keys = keyring === undefined ? 0 : keySlots(keyring).length;
  const event = { kind: 'tenant-deleted', detail: `${keys} keys`, tenant } as const;
  return announced(deps.record, event, () => remove(deps, backend, { tenant, record, keyring, keys }, signal));
}

async function remove(
  deps: KeyringDeps,
  backend: Backend,
  o: { tenant: string; record: StateRecord | undefined; keyring: Keyring | undefined; keys: number },
  signal: AbortSignal,
): Promise<DeletedTenant> {
  const { tenant, record, keyring, keys } = o;
  // The keyring goes first: from here on nothing opens, whatever fails afterwards.
  if (record !== undefined) {
    await deps.state.shred(keyringName(tenant), signal);
    deps.onChange?.(tenant, Number.MAX_SAFE_INTEGER);
  }
  if (keyring !== undefined) await releaseName(deps, keyring.name, tenant, signal);
  const ids = await idsOf(deps, tenant, signal);
  await forgetIds(deps, ids, signal);
  await forgetRoles(deps, tenant, signal);
  await forgetJobs(deps.state, tenant, signal);
  await forgetOpenApprovals(deps, tenant, signal);
  const uploads = await abortUploads(deps, backend, tenant, signal);
  const uses = await deleteUses(deps, tenant, signal);
  if (record === undefined && ids.length + uploads + uses === 0) throw new UnknownTenant(tenant);
  return { keys, uploads };
}

/** Includes ids that no slot lists. A change that was killed may have left one, and it holds an API key all the same. */
async function idsOf(
  { state, sealKeys }: KeyringDeps,
  tenant: string,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const found: string[] = [];
  for await (const name of state.list(REGISTERED_NAMES, signal)) {
    const id = name.slice(REGISTERED_NAMES.length);
    const record = isRegisteredId(id) ? await state.get(name, signal) : undefined;
    if (record !== undefined && openRegistered(record.body, id, sealKeys)?.tenant === tenant) found.push(id);
  }
  return found;
}

/** Records of managed roles: each holds a secret of the tenant. */
async function forgetRoles({ state, sealKeys }: KeyringDeps, tenant: string, signal: AbortSignal): Promise<void> {
  for await (const record of state.list(ROLE_RECORDS, signal)) {
    const name = record.slice(ROLE_RECORDS.length);
    const stored = await state.get(record, signal);
    if (stored !== undefined && openRoleRecord(stored.body, { name, sealKeys })?.tenant === tenant) {
      await state.shred(record, signal);
    }
  }
}

/** The lists of its open requests for approval. The requests themselves end by themselves. */
async function forgetOpenApprovals({ state }: KeyringDeps, tenant: string, signal: AbortSignal): Promise<void> {
  if (!isTenantId(tenant)) return;
  for await (const name of state.list(openNamesOf(tenant), signal)) await state.delete(name, signal);
}

/** Records of when the tenant's keys were used, whatever slots they name. @returns how many there were */
async function deleteUses({ state }: KeyringDeps, tenant: string, signal: AbortSignal): Promise<number> {
  if (!isTenantId(tenant)) return 0;
  let deleted = 0;
  for await (const name of state.list(`${LAST_USED_NAMES}${tenant}/`, signal)) {
    await state.delete(name, signal);
    deleted += 1;
  }
  return deleted;
}

function parse(body: Buffer, tenant: string): Keyring | undefined {
  try {
    const keyring = parseKeyring(body);
    return keyring.tenant === tenant ? keyring : undefined;
  } catch (error) {
    if (error instanceof KeyringMalformed) return undefined;
    throw error;
  }
}

async function abortUploads(deps: KeyringDeps, backend: Backend, tenant: string, signal: AbortSignal): Promise<number> {
  const byUpload = new Map<string, string[]>();
  for await (const name of deps.state.list(UPLOADS_PREFIX, signal)) {
    const id = name.slice(UPLOADS_PREFIX.length).split('/')[0] ?? '';
    byUpload.set(id, [...(byUpload.get(id) ?? []), name]);
  }
  let aborted = 0;
  for (const [id, names] of byUpload) {
    const stored = await deps.state.get(recordName(id), signal);
    const upload = stored && addressFor(stored.body, tenant);
    if (upload === undefined) continue;
    const { bucket, key, uploadId } = upload;
    const response = await backend.send({ method: 'DELETE', bucket, key, query: [['uploadId', uploadId]], signal });
    if (response.status !== 204 && response.status !== 404) {
      throw backendFailure(await readErrorResponse(response), { operation: 'AbortMultipartUpload', bucket, key });
    }
    discard(response);
    await removeState({ backend, state: deps.state, signal }, recordLast(id, names));
    aborted += 1;
  }
  return aborted;
}

/** The record of an upload names its tenant in clear text. */
function addressFor(body: Buffer, tenant: string): UploadAddress | undefined {
  let json: unknown;
  try {
    json = JSON.parse(body.toString('utf8'));
  } catch {
    return undefined;
  }
  const parsed = StoredRecord.safeParse(json);
  return parsed.success && parsed.data.header['enc-tenant'] === tenant ? parsed.data : undefined;
}
