/** Buckets: made, removed, their versioning state and tags. */
import { S3Error } from '../../../errors.ts';
import type { Versioning } from '../rows.ts';
import type { Transaction } from '../transaction.ts';
import { dropUpload } from './uploads.ts';

/** @throws S3Error BucketAlreadyOwnedByYou */
export function createBucket(
  tx: Transaction,
  o: { readonly name: string; readonly location: string; readonly created: number },
): void {
  if (tx.one('SELECT 1 FROM buckets WHERE name = ?', o.name) !== undefined) {
    throw new S3Error('BucketAlreadyOwnedByYou', undefined, { details: { BucketName: o.name } });
  }
  tx.run(
    `INSERT INTO buckets (name, created, location, versioning, tags) VALUES (?, ?, ?, '', '')`,
    o.name,
    o.created,
    o.location,
  );
}

/** Uploads in progress go with the bucket. @throws S3Error NoSuchBucket, BucketNotEmpty */
export function deleteBucket(tx: Transaction, o: { readonly name: string }): void {
  const bucket = tx.bucket(o.name);
  if (tx.one('SELECT 1 FROM versions WHERE bucket = ? LIMIT 1', bucket.id) !== undefined) {
    throw new S3Error('BucketNotEmpty', undefined, { details: { BucketName: o.name } });
  }
  for (const { id } of tx.all<{ id: string }>('SELECT id FROM uploads WHERE bucket = ?', bucket.id)) dropUpload(tx, id);
  tx.run('DELETE FROM buckets WHERE id = ?', bucket.id);
}

/** @throws S3Error NoSuchBucket */
export function setVersioning(tx: Transaction, o: { readonly bucket: string; readonly status: Versioning }): void {
  tx.run('UPDATE buckets SET versioning = ? WHERE id = ?', o.status, tx.bucket(o.bucket).id);
}

/** `tags` as JSON; '' removes the tag set. @throws S3Error NoSuchBucket */
export function setBucketTags(tx: Transaction, o: { readonly bucket: string; readonly tags: string }): void {
  tx.run('UPDATE buckets SET tags = ? WHERE id = ?', o.tags, tx.bucket(o.bucket).id);
}
