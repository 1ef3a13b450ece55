/** Buckets: made, removed, their versioning state, tags and documents. */
import { S3Error } from '../../../errors.ts';
import { type BucketSettings, settingsOf } from '../bucket-settings.ts';
import type { Versioning } from '../rows.ts';
import type { Transaction } from '../transaction.ts';
import { dropUpload } from './uploads.ts';

/** @throws S3Error BucketAlreadyOwnedByYou */
export function createBucket(
  tx: Transaction,
  o: {
    readonly name: string;
    readonly location: string;
    readonly created: number;
    readonly settings: BucketSettings;
  },
): void {
  if (tx.one('SELECT 1 FROM buckets WHERE name = ?', o.name) !== undefined) {
    throw new S3Error('BucketAlreadyOwnedByYou', undefined, { details: { BucketName: o.name } });
  }
  // Locks are of versions (S3 user guide, "Object Lock considerations").
  const versioning: Versioning = o.settings.objectLock === undefined ? '' : 'Enabled';
  tx.run(
    `INSERT INTO buckets (name, created, location, versioning, tags, settings) VALUES (?, ?, ?, ?, '', ?)`,
    o.name,
    o.created,
    o.location,
    versioning,
    JSON.stringify(o.settings),
  );
}

/** Uploads in progress go with the bucket. @throws S3Error NoSuchBucket, BucketNotEmpty */
export function deleteBucket(tx: Transaction, o: { readonly name: string }): void {
  const bucket = tx.bucket(o.name);
  if (tx.one('SELECT 1 FROM versions WHERE bucket = ? LIMIT 1', bucket.id) !== undefined) {
    throw new S3Error('BucketNotEmpty', undefined, { details: { BucketName: o.name } });
  }
  for (const { id } of tx.all<{ id: string }>('SELECT id FROM uploads WHERE bucket = ?', bucket.id)) dropUpload(tx, id);
  tx.run('DELETE FROM documents WHERE bucket = ?', bucket.id);
  tx.run('DELETE FROM buckets WHERE id = ?', bucket.id);
}

/** @throws S3Error NoSuchBucket; InvalidBucketState where versions may be locked, which a null version could replace */
export function setVersioning(tx: Transaction, o: { readonly bucket: string; readonly status: Versioning }): void {
  const bucket = tx.bucket(o.bucket);
  if (o.status !== 'Enabled' && settingsOf(bucket).objectLock !== undefined) {
    throw new S3Error(
      'InvalidBucketState',
      'An Object Lock configuration is present on this bucket, so the versioning state cannot be changed.',
    );
  }
  tx.run('UPDATE buckets SET versioning = ? WHERE id = ?', o.status, bucket.id);
}

/** `tags` as JSON; '' removes the tag set. @throws S3Error NoSuchBucket */
export function setBucketTags(tx: Transaction, o: { readonly bucket: string; readonly tags: string }): void {
  tx.run('UPDATE buckets SET tags = ? WHERE id = ?', o.tags, tx.bucket(o.bucket).id);
}

/** Stores a configuration that is only ever returned. Without a document, removes it. @throws S3Error NoSuchBucket */
export function setDocument(
  tx: Transaction,
  o: { readonly bucket: string; readonly name: string; readonly document?: string },
): void {
  const { id } = tx.bucket(o.bucket);
  if (o.document === undefined) tx.run('DELETE FROM documents WHERE bucket = ? AND name = ?', id, o.name);
  else tx.run('INSERT OR REPLACE INTO documents (bucket, name, document) VALUES (?, ?, ?)', id, o.name, o.document);
}
