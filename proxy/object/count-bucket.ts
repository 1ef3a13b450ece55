/**
 * What is stored in one bucket, of each kind. Whether a version is sealed, its metadata tell without a key. Whether it was sealed
 * without an MD5, only a key of its tenant tells, since the ETag is sealed too.
 */
import { eachBounded } from '../concurrency/map-bounded.ts';
import { S3Error } from '../errors.ts';
import { REWRAPS_AT_ONCE } from '../limits.ts';
import { headRow, type RowSource, rowsOf, type StoredRow } from '../rotation/stored-rows.ts';
import type { StoreContext } from './context.ts';
import { inspectObject } from './inspect-object.ts';
import { STORED_HEADERS } from './stored-metadata.ts';
import { ForeignObject, type StoredObject } from './stored-object.ts';

/** Versions that a versioned bucket keeps count too. Those shorter than a sealed empty object are left out. */
export interface CountedBucket {
  readonly sealed: number;
  readonly legacy: number;
  /** Of the tenant whose key was given; absent without one. */
  readonly ofTenant?: {
    readonly withMd5: number;
    readonly withoutMd5: number;
    /** They do not open. */
    readonly unreadable: number;
  };
}

/** One request and more for each version. `context`: opens the objects of one tenant. @throws S3Error, BackendUnavailable */
export async function countBucket(o: RowSource, bucket: string, context?: StoreContext): Promise<CountedBucket> {
  const counted = { sealed: 0, legacy: 0 };
  const ofTenant = { withMd5: 0, withoutMd5: 0, unreadable: 0 };
  await eachBounded(rowsOf(o, bucket), REWRAPS_AT_ONCE, async (row) => {
    const headers = await headRow(o, row);
    if (headers === undefined) return;
    const isSealed = headers[STORED_HEADERS[0]] !== undefined;
    counted[isSealed ? 'sealed' : 'legacy'] += 1;
    const kind = isSealed && context !== undefined ? await lookAt(context, row) : undefined;
    if (kind !== undefined) ofTenant[kind] += 1;
  });
  return context === undefined ? counted : { ...counted, ofTenant };
}

/** `undefined`: another tenant's, or gone. */
async function lookAt(
  context: StoreContext,
  { bucket, key, versionId }: StoredRow,
): Promise<'withMd5' | 'withoutMd5' | 'unreadable' | undefined> {
  let object: StoredObject;
  try {
    object = await inspectObject(context, { bucket, key, versionId });
  } catch (error) {
    if (!(error instanceof S3Error) || error.status === 503) throw error;
    if (error.cause instanceof ForeignObject || error.status === 404) return undefined;
    return 'unreadable';
  }
  if (object.kind === 'legacy') return undefined;
  return object.late.md5 === undefined ? 'withoutMd5' : 'withMd5';
}
