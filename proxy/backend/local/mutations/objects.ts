/** Objects: stored, deleted, tagged. Conditions are checked here, inside the transaction, so that one of two racers loses. */
import { S3Error } from '../../../errors.ts';
import { checkWrite, type WriteConditions } from '../conditions.ts';
import { checkRemoval, type Lock, type Override, parseLock } from '../locks.ts';
import type { BucketRow, VersionRow } from '../rows.ts';
import type { Transaction } from '../transaction.ts';
import { NULL_VERSION } from '../version-id.ts';
import { addLeaf, type NewBody } from './bodies.ts';
import { lockForNew } from './new-lock.ts';
import { addDeleteMarker, addVersion, currentObject, latestVersion, namedVersion, removeVersion } from './versions.ts';

/** A version's id where the bucket has versions, for `x-amz-version-id`. */
export interface Versioned {
  readonly versionId?: string;
}

export interface PutObject {
  readonly bucket: string;
  readonly key: string;
  readonly body: NewBody;
  readonly modified: number;
  readonly storageClass: string;
  readonly tags: string;
  readonly headers: string;
  readonly lock: Lock;
  readonly conditions: WriteConditions;
}

/** @throws S3Error NoSuchBucket, InvalidRequest for a lock in a bucket without locks, and those of checkWrite */
export function putObject(tx: Transaction, o: PutObject): Versioned {
  const bucket = tx.bucket(o.bucket);
  const key = Buffer.from(o.key);
  checkWrite(o.conditions, () => currentObject(tx, bucket, key));
  const version = addVersion(tx, bucket, {
    key,
    size: o.body.size,
    etag: o.body.md5,
    modified: o.modified,
    storageClass: o.storageClass,
    parts: 0,
    body: addLeaf(tx, o.body),
    tags: o.tags,
    headers: o.headers,
    lock: lockForNew(bucket, o.lock, o.modified),
  });
  return versioned(bucket, version);
}

export function versioned(bucket: BucketRow, version: string): Versioned {
  return bucket.versioning === '' ? {} : { versionId: version };
}

export interface Deletion {
  readonly key: string;
  readonly versionId?: string | undefined;
  readonly ifMatch?: string | undefined;
}

export interface Deleted extends Versioned {
  /** A delete marker was made, or the version removed was one. */
  readonly deleteMarker: boolean;
}

/** @throws S3Error NoSuchBucket, AccessDenied for a version that is locked, and those of checkWrite */
export function deleteObject(
  tx: Transaction,
  o: Deletion & { readonly bucket: string; readonly override: Override },
): Deleted {
  return deleteOne(tx, tx.bucket(o.bucket), o, o.override);
}

export type DeletionOutcome = Deleted | { readonly error: { readonly code: string; readonly message: string } };

/** Every deletion stands alone: one that fails leaves the others. @throws S3Error NoSuchBucket */
export function deleteObjects(
  tx: Transaction,
  o: { readonly bucket: string; readonly override: Override; readonly deletions: readonly Deletion[] },
): readonly DeletionOutcome[] {
  const bucket = tx.bucket(o.bucket);
  return o.deletions.map((deletion) => {
    try {
      return deleteOne(tx, bucket, deletion, o.override);
    } catch (error) {
      // Conditions and locks are checked before anything is written, so nothing of this deletion is left behind.
      if (error instanceof S3Error) return { error: { code: error.code, message: error.message } };
      throw error;
    }
  });
}

function deleteOne(tx: Transaction, bucket: BucketRow, o: Deletion, override: Override): Deleted {
  const key = Buffer.from(o.key);
  if (o.versionId !== undefined) {
    const row = namedVersion(tx, bucket, key, o.versionId);
    checkWrite({ ifMatch: o.ifMatch }, () => (row?.marker === 0 ? row : undefined));
    if (row !== undefined) {
      checkRemoval(parseLock(row.lock), override);
      removeVersion(tx, row);
    }
    return { deleteMarker: row?.marker === 1, versionId: o.versionId };
  }
  checkWrite({ ifMatch: o.ifMatch }, () => currentObject(tx, bucket, key));
  if (bucket.versioning === '') {
    const row = namedVersion(tx, bucket, key, NULL_VERSION);
    if (row !== undefined) removeVersion(tx, row);
    return { deleteMarker: false };
  }
  return { deleteMarker: true, versionId: addDeleteMarker(tx, bucket, key, override.now) };
}

/** @throws S3Error NoSuchBucket, NoSuchKey, NoSuchVersion, MethodNotAllowed for a delete marker */
export function setObjectTags(
  tx: Transaction,
  o: { readonly bucket: string; readonly key: string; readonly versionId?: string | undefined; readonly tags: string },
): Versioned {
  const bucket = tx.bucket(o.bucket);
  const row = existingVersion(tx, bucket, Buffer.from(o.key), o.versionId);
  tx.run('UPDATE versions SET tags = ? WHERE id = ?', o.tags, row.id);
  return versioned(bucket, row.version);
}

/** @throws S3Error NoSuchKey, NoSuchVersion, MethodNotAllowed for a delete marker named by version */
export function existingVersion(
  tx: Transaction,
  bucket: BucketRow,
  key: Uint8Array,
  versionId: string | undefined,
): VersionRow {
  const row = versionId === undefined ? latestVersion(tx, bucket, key) : namedVersion(tx, bucket, key, versionId);
  if (row === undefined) throw new S3Error(versionId === undefined ? 'NoSuchKey' : 'NoSuchVersion');
  if (row.marker === 0) return row;
  throw versionId === undefined ? new S3Error('NoSuchKey') : new S3Error('MethodNotAllowed');
}
