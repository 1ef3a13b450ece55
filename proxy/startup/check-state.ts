/**
 * Checks that the state bucket belongs to Sealgate alone. The whole bucket is hidden from clients, so other objects in it would
 * vanish for their users.
 */

import { AUDIT_KEY_NAMES } from '../audit/audit-keys.ts';
import { BATCH_NAMES } from '../audit/format/batch.ts';
import { SEGMENT_NAMES } from '../audit/format/segment.ts';
import { readErrorResponse } from '../backend/errors.ts';
import { parseListV2 } from '../backend/list.ts';
import { readBody } from '../backend/read-body.ts';
import { S3Error } from '../errors.ts';
import { JOBS_PREFIX } from '../jobs/job-record.ts';
import { REGISTERED_NAMES } from '../keyring/access-keys/registered-id.ts';
import { ROLE_RECORDS } from '../keyring/access-keys/role-arn.ts';
import { ACTIVE_RECORD, SEAL_KEY_NAMES } from '../keyring/active-seal-key/active-record.ts';
import { REPLICA_NAMES } from '../keyring/active-seal-key/replica-record.ts';
import { TENANT_NAMES } from '../keyring/admin/tenant-names.ts';
import { APPROVALS_NAMES } from '../keyring/approvals/approval-request.ts';
import { APPROVERS_NAME } from '../keyring/approvals/approvers-record.ts';
import { OPEN_NAMES } from '../keyring/approvals/open-requests.ts';
import { BUCKET_RECORDS } from '../keyring/buckets/bucket-record.ts';
import { SESSION_DAY_NAMES } from '../keyring/sessions/day-records.ts';
import { USES_NAMES } from '../keyring/sessions/use-counts.ts';
import { KEYRING_NAMES } from '../keyring/state/records.ts';
import { unusable } from '../keyring/state/state-replies.ts';
import { LAST_USED_NAMES } from '../keyring/uses/last-used.ts';
import { MAX_BACKEND_XML_BYTES } from '../limits.ts';
import { UPLOADS_PREFIX } from '../multipart/upload-record.ts';
import { FOREIGN_OBJECTS_NAMED, PROBE_TIMEOUT_MS } from '../running-limits.ts';
import type { Storage } from '../runtime.ts';
import { fault, ok, type Tell } from './finding.ts';
import { findingOf } from './store-finding.ts';

/** Keys, segments and batches of the audit. */
const AUDIT_RECORDS: readonly RegExp[] = [
  new RegExp(`^${AUDIT_KEY_NAMES}[0-9a-f]{8}$`),
  new RegExp(`^${SEGMENT_NAMES}\\d{8}T\\d{4}Z/[0-9a-f]{16}-\\d{10}-[0-9a-f]{64}$`),
  new RegExp(`^${BATCH_NAMES}\\d{10}$`),
];
/** Approvers; requests for approval with what was signed and claimed of each; lists of open ones. */
const APPROVAL_RECORDS: readonly RegExp[] = [
  new RegExp(`^${APPROVERS_NAME}$`),
  new RegExp(`^${APPROVALS_NAMES}[0-9a-f]{24}/(request|used|by/[a-z0-9._-]{1,32})$`),
  new RegExp(`^${OPEN_NAMES}([0-9a-f]{24}|deployment)/(commands|role-[A-Za-z0-9_.-]{1,64})\\.json$`),
];
/** What a record's key looks like below the prefix of its deployment. */
const RECORDS: readonly RegExp[] = [
  new RegExp(`^${KEYRING_NAMES}[0-9a-f]{24}\\.json$`),
  new RegExp(`^${REGISTERED_NAMES}[^/]+$`),
  new RegExp(`^${TENANT_NAMES}[a-z0-9._-]{1,63}$`),
  new RegExp(`^${LAST_USED_NAMES}[0-9a-f]{24}/[^/]+$`),
  new RegExp(`^${UPLOADS_PREFIX}[0-9a-f]{64}/.+$`),
  new RegExp(`^${SESSION_DAY_NAMES}\\d{4}-\\d{2}-\\d{2}/[a-z0-9-]{1,16}$`),
  new RegExp(`^${USES_NAMES}[0-9a-f]{1,64}/\\d{1,4}$`),
  new RegExp(`^${ROLE_RECORDS}[A-Za-z0-9_.-]{1,64}$`),
  new RegExp(`^${ACTIVE_RECORD.replace('.', '\\.')}$`),
  new RegExp(`^${REPLICA_NAMES}[0-9a-f]{16}$`),
  new RegExp(`^${BUCKET_RECORDS}[A-Za-z0-9._-]{3,255}\\.json$`),
  new RegExp(`^${JOBS_PREFIX}[a-z]+(-[a-z]+)?-[0-9a-f]{16}(\\.json|/.+)$`),
  ...AUDIT_RECORDS,
  ...APPROVAL_RECORDS,
  /^probe\/.+$/,
];
const FOLDERS: readonly string[] = [
  KEYRING_NAMES,
  REGISTERED_NAMES,
  LAST_USED_NAMES,
  TENANT_NAMES,
  UPLOADS_PREFIX,
  SESSION_DAY_NAMES,
  USES_NAMES,
  ROLE_RECORDS,
  BUCKET_RECORDS,
  SEAL_KEY_NAMES,
  APPROVALS_NAMES,
  JOBS_PREFIX,
  'audit/',
  'probe/',
];

/** Whether the bucket holds records of Sealgate and nothing else. */
export async function checkState(storage: Storage, prefix: string, tell: Tell): Promise<boolean> {
  const { backend, state } = storage;
  const subject = 'SEALGATE_STATE';
  try {
    const foreign = await foreignObjects(storage, prefix);
    if (foreign.length === 0) {
      tell(ok(subject, `the bucket ${state.bucket} holds nothing but Sealgate's records`));
      return true;
    }
    const named = foreign.slice(0, FOREIGN_OBJECTS_NAMED).map((name) => JSON.stringify(name));
    const more = foreign.length > named.length ? ', and more' : '';
    const text = `the bucket ${state.bucket} holds what is not Sealgate's: ${named.join(', ')}${more}`;
    tell(fault(subject, text, 'Name a bucket that is used for nothing else: clients never see it'));
  } catch (error) {
    tell(await findingOf(error, { subject, store: backend.description }));
  }
  return false;
}

/**
 * Names in the bucket that are no records, as far as few requests show: all names of the top level and of each level down to the
 * prefix, and the first names below each of those. Another deployment's records under another prefix are no foreign objects.
 */
async function foreignObjects(storage: Storage, prefix: string): Promise<readonly string[]> {
  const levels = [
    '',
    ...prefix
      .split('/')
      .slice(0, -1)
      .map((_, at, all) => `${all.slice(0, at + 1).join('/')}/`),
  ];
  const foreign: string[] = [];
  for (const level of levels) {
    const page = await list(storage, { prefix: level, delimiter: '/' });
    foreign.push(...page.keys);
    for (const folder of page.folders) {
      if (levels.includes(folder)) continue;
      const isOurs = level === prefix && FOLDERS.includes(folder.slice(level.length));
      const { keys } = await list(storage, { prefix: folder, maxKeys: isOurs ? 10 : 1000 });
      const of = isOurs ? level : undefined;
      foreign.push(...keys.filter((key) => !isRecord(key, of)));
      if (foreign.length > FOREIGN_OBJECTS_NAMED) return foreign;
    }
  }
  return foreign;
}

/** `prefix`: that of this deployment; undefined: of any deployment. */
function isRecord(key: string, prefix: string | undefined): boolean {
  if (prefix !== undefined) return RECORDS.some((record) => record.test(key.slice(prefix.length)));
  const starts = [...key.matchAll(/(?<=^|\/)/g)].map(({ index }) => key.slice(index));
  return starts.some((rest) => RECORDS.some((record) => record.test(rest)));
}

async function list(
  { backend, state }: Storage,
  o: { readonly prefix: string; readonly delimiter?: string; readonly maxKeys?: number },
): Promise<{ readonly keys: readonly string[]; readonly folders: readonly string[] }> {
  const response = await backend.send({
    method: 'GET',
    bucket: state.bucket,
    query: [
      ['list-type', '2'],
      ['encoding-type', 'url'],
      ...(o.prefix === '' ? [] : ([['prefix', o.prefix]] as const)),
      ...(o.delimiter === undefined ? [] : ([['delimiter', o.delimiter]] as const)),
      ...(o.maxKeys === undefined ? [] : ([['max-keys', String(o.maxKeys)]] as const)),
    ],
    signal: AbortSignal.timeout(PROBE_TIMEOUT_MS),
  });
  if (response.status !== 200) {
    throw unusable(await readErrorResponse(response), 'ListObjectsV2');
  }
  try {
    const page = parseListV2(await readBody(response, { maxBytes: MAX_BACKEND_XML_BYTES }));
    return { keys: page.objects.map(({ key }) => key), folders: page.commonPrefixes };
  } catch (cause) {
    throw new S3Error('ServiceUnavailable', undefined, { cause });
  }
}
