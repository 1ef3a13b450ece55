/**
 * CompleteMultipartUpload in one transaction: the object's body is the list of its parts' bodies, none of which is
 * rewritten. A repetition with the same part list answers as the first time (S3: CompleteMultipartUpload).
 */
import { createHash } from 'node:crypto';
import { S3Error } from '../../../errors.ts';
import { MIN_PART_BYTES } from '../../../limits.ts';
import { checkWrite, type WriteConditions } from '../conditions.ts';
import { parseLock } from '../locks.ts';
import type { BucketRow, PartRow, VersionRow } from '../rows.ts';
import type { Transaction } from '../transaction.ts';
import { addComposite, bodyHead, release, retain, type Slice, slicesOf } from './bodies.ts';
import { lockForNew } from './new-lock.ts';
import { versioned } from './objects.ts';
import { findUpload, type UploadName } from './uploads.ts';
import { addVersion, currentObject } from './versions.ts';

export interface NamedPart {
  readonly number: number;
  /** Hex, without quotes. */
  readonly etag: string;
}

export interface CompleteUpload extends UploadName {
  /** At least one. */
  readonly parts: readonly NamedPart[];
  readonly modified: number;
  /** `x-amz-mp-object-size`, bytes. */
  readonly size?: number;
  readonly conditions: WriteConditions;
}

export interface Completed {
  readonly etag: string;
  readonly versionId?: string;
}

/** @throws S3Error NoSuchBucket, NoSuchUpload, InvalidPart, InvalidPartOrder, EntityTooSmall, InvalidRequest */
export function completeUpload(tx: Transaction, o: CompleteUpload): Completed {
  const bucket = tx.bucket(o.bucket);
  const key = Buffer.from(o.key);
  const earlier = completedBefore(tx, bucket, key, o);
  if (earlier !== undefined) return { etag: earlier.etag, ...versioned(bucket, earlier.version) };
  const upload = findUpload(tx, o);
  const parts = chooseParts(tx, o);
  const size = parts.reduce((sum, part) => sum + part.size, 0);
  if (o.size !== undefined && o.size !== size) {
    throw new S3Error('InvalidRequest', 'The size given in x-amz-mp-object-size is not that of the parts.');
  }
  checkWrite(o.conditions, () => currentObject(tx, bucket, key));
  const body = joinParts(tx, o.upload, parts);
  const etag = joinedEtag(parts);
  const version = addVersion(tx, bucket, {
    key,
    size,
    etag,
    modified: o.modified,
    storageClass: upload.storage_class,
    parts: parts.length,
    body,
    upload: o.upload,
    tags: upload.tags,
    headers: upload.headers,
    lock: lockForNew(bucket, parseLock(upload.lock), o.modified),
  });
  return { etag, ...versioned(bucket, version) };
}

/** MD5 over the parts' binary MD5s, and their number. */
function joinedEtag(parts: readonly { readonly etag: string }[]): string {
  const hash = createHash('md5');
  for (const part of parts) hash.update(part.etag, 'hex');
  return `${hash.digest('hex')}-${parts.length}`;
}

function completedBefore(
  tx: Transaction,
  bucket: BucketRow,
  key: Uint8Array,
  o: CompleteUpload,
): VersionRow | undefined {
  if (tx.one('SELECT 1 FROM uploads WHERE id = ?', o.upload) !== undefined) return undefined;
  const row = tx.one<VersionRow>(
    'SELECT * FROM versions WHERE bucket = ? AND key = ? AND upload = ?',
    bucket.id,
    key,
    o.upload,
  );
  const wellFormed = o.parts.every((part) => /^[0-9a-f]{32}$/.test(part.etag));
  return wellFormed && row?.etag === joinedEtag(o.parts) ? row : undefined;
}

function chooseParts(tx: Transaction, o: CompleteUpload): readonly PartRow[] {
  const stored = new Map<number, PartRow>();
  for (const part of tx.all<PartRow>('SELECT * FROM upload_parts WHERE upload = ?', o.upload)) {
    stored.set(part.number, part);
  }
  let previous = 0;
  for (const { number } of o.parts) {
    if (number <= previous) throw new S3Error('InvalidPartOrder', undefined, { details: { UploadId: o.upload } });
    previous = number;
  }
  return o.parts.map(({ number, etag }, index) => {
    const part = stored.get(number);
    if (part === undefined || part.etag !== etag) {
      throw new S3Error('InvalidPart', undefined, {
        details: { UploadId: o.upload, PartNumber: String(number), ETag: etag },
      });
    }
    if (part.size < MIN_PART_BYTES && index < o.parts.length - 1) throw tooSmall(part);
    return part;
  });
}

function tooSmall(part: PartRow): S3Error {
  return new S3Error('EntityTooSmall', undefined, {
    details: {
      ProposedSize: String(part.size),
      MinSizeAllowed: String(MIN_PART_BYTES),
      PartNumber: String(part.number),
      ETag: part.etag,
    },
  });
}

/** Moves the parts' references into a composite; parts that the list leaves out are dropped. */
function joinParts(tx: Transaction, upload: string, parts: readonly PartRow[]): number {
  const slices: Slice[] = [];
  const moved = new Set<number>();
  for (const part of parts) {
    const body = bodyHead(tx, part.body);
    if (body === undefined) throw new Error(`part ${part.number} of an upload has no body`);
    const own = slicesOf(tx, body, 0, part.size, part.number);
    if (body.leaf === 1) moved.add(part.number);
    else for (const slice of own) retain(tx, slice.leaf);
    slices.push(...own);
  }
  const composite = addComposite(tx, slices);
  const all = tx.all<PartRow>('SELECT * FROM upload_parts WHERE upload = ?', upload);
  tx.run('DELETE FROM upload_parts WHERE upload = ?', upload);
  tx.run('DELETE FROM uploads WHERE id = ?', upload);
  for (const part of all) if (!moved.has(part.number)) release(tx, part.body);
  return composite;
}
