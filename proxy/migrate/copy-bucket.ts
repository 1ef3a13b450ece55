/** `sealgate migrate copy`: a job that replays every key of a bucket in another one. */

import { ask } from '../backend/ask.ts';
import { ensureBucket } from '../backend/ensure-bucket.ts';
import { isVersioned, type ListSource } from '../backend/list-all.ts';
import { S3Error } from '../errors.ts';
import type { JobScope } from '../jobs/job-record.ts';
import { failedRow } from '../jobs/job-report.ts';
import type { JobWork } from '../jobs/run-job.ts';
import type { StoreAccess } from '../object/context.ts';
import { renderXml } from '../xml/render-xml.ts';
import { cursorOfKey, type KeyVersions, keyVersions } from './key-versions.ts';
import { UNDONE } from './outcome.ts';
import { type Copier, replayKey } from './replay.ts';

export interface CopyScope {
  readonly bucket: string;
  readonly prefix: string;
  /** The target bucket; with another store, its name there. */
  readonly to: string;
  /** The source, where it is another store than the one that keeps the job. */
  readonly store?: string;
}

export function copyJob(tenant: string, { bucket, prefix, to, store }: CopyScope): JobScope {
  const options = { to, ...(store === undefined ? {} : { store }) };
  return { kind: 'migrate-copy', tenant, bucket, prefix, options };
}

export function copyWork(
  source: ListSource,
  scope: CopyScope,
  copierFor: (signal: AbortSignal) => Copier,
): JobWork<KeyVersions> {
  const { bucket } = scope;
  return {
    rows: (after, signal) =>
      keyVersions({ ...source, signal }, { ...scope, versions: copierFor(signal).versions }, after),
    cursorOf: cursorOfKey,
    async visit(row, signal) {
      const { state, bytes, message, errorCode, httpStatus } = await replayKey(copierFor(signal), row);
      const said = { state, succeeded: !UNDONE.has(state), errorCode, httpStatus, message, bytes };
      return { bucket, key: row.key, versionId: undefined, ...said };
    },
    failed: ({ key }, error) => failedRow({ bucket, key, versionId: undefined }, error),
  };
}

/**
 * The target bucket, with object locks and versions where the source has them. @returns whether versions are kept
 * @throws S3Error InvalidRequest when the target is there and cannot keep what the source keeps
 */
export async function prepareTarget(o: {
  source: StoreAccess;
  target: StoreAccess;
  from: string;
  to: string;
  region: string;
}): Promise<boolean> {
  const { source, target, from, to, region } = o;
  const { signal } = target;
  const hasLocks = await keepsLocks(source, from);
  if (hasLocks) await createWithLocks(target, to);
  await ensureBucket(target.store.backend, { bucket: to, region, signal });
  const versions = await isVersioned({ backend: source.store.backend, signal }, from);
  const isKept = await isVersioned({ backend: target.store.backend, signal }, to);
  if (versions && !isKept) {
    const body = Buffer.from(renderXml('VersioningConfiguration', { Status: 'Enabled' }));
    const headers = { 'content-type': 'application/xml' };
    await ask(target, 'PutBucketVersioning', { method: 'PUT', bucket: to, query: [['versioning', '']], headers, body });
  }
  if (!versions && isKept) throw new S3Error('InvalidRequest', `${to} keeps versions and ${from} does not.`);
  if (hasLocks && !(await keepsLocks(target, to))) {
    throw new S3Error(
      'InvalidRequest',
      `${from} has object locks and ${to} has none: locks can only be had from the start.`,
    );
  }
  return versions;
}

async function keepsLocks(context: StoreAccess, bucket: string): Promise<boolean> {
  try {
    const query = [['object-lock', '']] as const;
    const { document } = await ask(context, 'GetObjectLockConfiguration', { method: 'GET', bucket, query });
    return document.includes('Enabled');
  } catch (error) {
    if (error instanceof S3Error && error.status < 500) return false;
    if (error instanceof S3Error && error.code === 'NotImplemented') return false;
    throw error;
  }
}

/** One that is there already is looked at afterwards. */
async function createWithLocks(context: StoreAccess, bucket: string): Promise<void> {
  const headers = { 'x-amz-bucket-object-lock-enabled': 'true' };
  try {
    await ask(context, 'CreateBucket', { method: 'PUT', bucket, headers, body: Buffer.alloc(0) });
  } catch (error) {
    if (!(error instanceof S3Error) || error.status !== 409) throw error;
  }
}
