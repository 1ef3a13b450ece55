/** Multipart uploads in progress: begun, their parts stored or shared, aborted. Completing is in complete-upload.ts. */
import { randomBytes } from 'node:crypto';
import { S3Error } from '../../../errors.ts';
import type { Lock } from '../locks.ts';
import type { PartRow, UploadRow } from '../rows.ts';
import type { Transaction } from '../transaction.ts';
import { addComposite, addLeaf, bodyHead, type NewBody, release, retain, slicesOf } from './bodies.ts';
import { lockForUpload } from './new-lock.ts';

export interface UploadName {
  readonly bucket: string;
  readonly key: string;
  readonly upload: string;
}

/** The id begins with the time, so that ids of one key sort by age. @throws S3Error NoSuchBucket, InvalidRequest */
export function createUpload(
  tx: Transaction,
  o: {
    readonly bucket: string;
    readonly key: string;
    readonly initiated: number;
    readonly storageClass: string;
    readonly tags: string;
    readonly headers: string;
    readonly lock: Lock;
  },
): string {
  const bucket = tx.bucket(o.bucket);
  const id = o.initiated.toString(16).padStart(12, '0') + randomBytes(20).toString('hex');
  tx.run(
    'INSERT INTO uploads (id, bucket, key, initiated, storage_class, tags, headers, lock) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
    id,
    bucket.id,
    Buffer.from(o.key),
    o.initiated,
    o.storageClass,
    o.tags,
    o.headers,
    lockForUpload(bucket, o.lock),
  );
  return id;
}

/** @throws S3Error NoSuchBucket, NoSuchUpload */
export function findUpload(tx: Transaction, o: UploadName): UploadRow {
  const row = tx.one<UploadRow>(
    'SELECT * FROM uploads WHERE id = ? AND bucket = ? AND key = ?',
    o.upload,
    tx.bucket(o.bucket).id,
    Buffer.from(o.key),
  );
  if (row === undefined) throw new S3Error('NoSuchUpload', undefined, { details: { UploadId: o.upload } });
  return row;
}

/** @throws S3Error NoSuchBucket, NoSuchUpload */
export function putPart(
  tx: Transaction,
  o: UploadName & { readonly number: number; readonly body: NewBody; readonly modified: number },
): void {
  findUpload(tx, o);
  const { size, md5 } = o.body;
  storePart(tx, o.upload, { number: o.number, body: addLeaf(tx, o.body), size, etag: md5, modified: o.modified });
}

/**
 * UploadPartCopy: the part refers to a range of a stored body. `md5` is that of the range, computed by the caller.
 * @returns false when the body is gone: its object was replaced since the caller read it.
 * @throws S3Error NoSuchBucket, NoSuchUpload
 */
export function sharePart(
  tx: Transaction,
  o: UploadName & {
    readonly number: number;
    readonly modified: number;
    readonly md5: string;
    readonly source: { readonly body: number; readonly start: number; readonly length: number };
  },
): boolean {
  findUpload(tx, o);
  const source = bodyHead(tx, o.source.body);
  if (source === undefined) return false;
  const { start, length } = o.source;
  let body = source.id;
  if (source.leaf === 1 && start === 0 && length === source.size) {
    retain(tx, body);
  } else {
    const slices = slicesOf(tx, source, start, length, 0);
    for (const slice of slices) retain(tx, slice.leaf);
    body = addComposite(tx, slices);
  }
  storePart(tx, o.upload, { number: o.number, body, size: length, etag: o.md5, modified: o.modified });
  return true;
}

/** @throws S3Error NoSuchBucket, NoSuchUpload */
export function abortUpload(tx: Transaction, o: UploadName): void {
  dropUpload(tx, findUpload(tx, o).id);
}

export function dropUpload(tx: Transaction, upload: string): void {
  const parts = tx.all<{ body: number }>('SELECT body FROM upload_parts WHERE upload = ?', upload);
  tx.run('DELETE FROM upload_parts WHERE upload = ?', upload);
  tx.run('DELETE FROM uploads WHERE id = ?', upload);
  for (const { body } of parts) release(tx, body);
}

function storePart(tx: Transaction, upload: string, part: PartRow): void {
  const replaced = tx.one<{ body: number }>(
    'SELECT body FROM upload_parts WHERE upload = ? AND number = ?',
    upload,
    part.number,
  );
  tx.run(
    'INSERT OR REPLACE INTO upload_parts (upload, number, body, size, etag, modified) VALUES (?, ?, ?, ?, ?, ?)',
    upload,
    part.number,
    part.body,
    part.size,
    part.etag,
    part.modified,
  );
  if (replaced !== undefined) release(tx, replaced.body);
}
