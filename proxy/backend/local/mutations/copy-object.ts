/** CopyObject inside one transaction: the new version refers to the source's body, so no data moves. S3: CopyObject. */
import { S3Error } from '../../../errors.ts';
import { MAX_PUT_BYTES } from '../../../limits.ts';
import { checkCopySource, checkWrite, type ReadConditions, type WriteConditions } from '../conditions.ts';
import type { Lock } from '../locks.ts';
import type { BucketRow, VersionRow } from '../rows.ts';
import type { Transaction } from '../transaction.ts';
import { retain } from './bodies.ts';
import { lockForNew } from './new-lock.ts';
import { existingVersion, versioned } from './objects.ts';
import { addVersion, currentObject } from './versions.ts';

export interface CopySource {
  readonly bucket: string;
  readonly key: string;
  readonly versionId?: string | undefined;
}

export interface CopyObject {
  readonly source: CopySource;
  readonly sourceConditions: ReadConditions;
  readonly bucket: string;
  readonly key: string;
  readonly modified: number;
  readonly storageClass: string;
  /** Given for the directive REPLACE, absent for COPY. */
  readonly headers?: string;
  readonly tags?: string;
  /** `x-amz-website-redirect-location`, which is never copied. */
  readonly redirect?: string;
  /** An encryption named anew counts as a change, also where the object has it (S3 API reference, CopyObject). */
  readonly namesEncryption: boolean;
  /** Never that of the source. */
  readonly lock: Lock;
  readonly conditions: WriteConditions;
}

export interface Copied {
  readonly etag: string;
  readonly versionId?: string;
  readonly sourceVersionId?: string;
}

/** @throws S3Error NoSuchBucket, NoSuchKey, NoSuchVersion, PreconditionFailed, InvalidRequest */
export function copyObject(tx: Transaction, o: CopyObject): Copied {
  const { bucket: from, row: source } = findSource(tx, o.source);
  checkCopySource(o.sourceConditions, source);
  if (source.size > MAX_PUT_BYTES) {
    throw new S3Error(
      'InvalidRequest',
      `The copy source is larger than the largest that can be copied: ${MAX_PUT_BYTES}`,
    );
  }
  const bucket = tx.bucket(o.bucket);
  const key = Buffer.from(o.key);
  checkWrite(o.conditions, () => currentObject(tx, bucket, key));
  refuseNoChange(o, source);
  if (source.body === null) throw new Error('an object without a body');
  retain(tx, source.body);
  const version = addVersion(tx, bucket, {
    key,
    size: source.size,
    etag: source.etag,
    modified: o.modified,
    storageClass: o.storageClass,
    parts: source.parts,
    body: source.body,
    tags: o.tags ?? source.tags,
    headers: o.headers ?? copiedHeaders(source.headers, o.redirect),
    lock: lockForNew(bucket, o.lock, o.modified),
  });
  return {
    etag: source.etag,
    ...versioned(bucket, version),
    ...(from.versioning === '' ? {} : { sourceVersionId: source.version }),
  };
}

/** @throws S3Error NoSuchBucket, NoSuchKey, NoSuchVersion; InvalidRequest for a delete marker named by version */
function findSource(tx: Transaction, source: CopySource): { bucket: BucketRow; row: VersionRow } {
  const bucket = tx.bucket(source.bucket);
  try {
    return { bucket, row: existingVersion(tx, bucket, Buffer.from(source.key), source.versionId) };
  } catch (error) {
    if (error instanceof S3Error && error.code === 'MethodNotAllowed') {
      throw new S3Error(
        'InvalidRequest',
        'The source of a copy request may not specifically refer to a delete marker.',
      );
    }
    throw error;
  }
}

function refuseNoChange(o: CopyObject, source: VersionRow): void {
  const sameName = o.source.bucket === o.bucket && o.source.key === o.key && o.source.versionId === undefined;
  const changes =
    o.headers !== undefined || o.redirect !== undefined || o.namesEncryption || o.storageClass !== source.storage_class;
  if (sameName && !changes) {
    throw new S3Error(
      'InvalidRequest',
      "This copy request is illegal because it copies an object to itself without changing the object's metadata, " +
        'storage class, website redirect location or encryption attributes.',
    );
  }
}

function copiedHeaders(headers: string, redirect: string | undefined): string {
  const { 'x-amz-website-redirect-location': _, ...copied } = JSON.parse(headers) as Record<string, string>;
  return JSON.stringify(redirect === undefined ? copied : { ...copied, 'x-amz-website-redirect-location': redirect });
}
