/** Versions of a key: adding one, removing one, and which is the latest. S3: "How S3 Versioning works". */
import type { BucketRow, VersionRow } from '../rows.ts';
import type { Transaction } from '../transaction.ts';
import { NULL_VERSION, newVersionId } from '../version-id.ts';
import { release } from './bodies.ts';

/** What a version is made of; the caller holds one reference on `body` and gives it away. */
export interface NewVersion {
  readonly key: Uint8Array;
  readonly size: number;
  readonly etag: string;
  readonly modified: number;
  readonly storageClass: string;
  readonly parts: number;
  readonly body: number;
  readonly upload?: string;
  readonly tags: string;
  readonly headers: string;
  /** '' for none. */
  readonly lock: string;
}

/** The newest version, delete markers included. */
export function latestVersion(tx: Transaction, bucket: BucketRow, key: Uint8Array): VersionRow | undefined {
  return tx.one('SELECT * FROM versions WHERE bucket = ? AND key = ? ORDER BY id DESC LIMIT 1', bucket.id, key);
}

/** The current object; undefined when the key has none or its newest version is a delete marker. */
export function currentObject(tx: Transaction, bucket: BucketRow, key: Uint8Array): VersionRow | undefined {
  const row = latestVersion(tx, bucket, key);
  return row?.marker === 0 ? row : undefined;
}

export function namedVersion(
  tx: Transaction,
  bucket: BucketRow,
  key: Uint8Array,
  version: string,
): VersionRow | undefined {
  return tx.one('SELECT * FROM versions WHERE bucket = ? AND key = ? AND version = ?', bucket.id, key, version);
}

/** Makes a new current version. Unless versioning is enabled it takes the place of the null version. @returns its id. */
export function addVersion(tx: Transaction, bucket: BucketRow, added: NewVersion): string {
  const { id, version } = beginVersion(tx, bucket, added.key);
  tx.run(
    `INSERT INTO versions (id, bucket, key, version, latest, marker, size, etag, modified, storage_class, parts, body, upload,
       tags, headers, lock) VALUES (?, ?, ?, ?, 1, 0, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    id,
    bucket.id,
    added.key,
    version,
    added.size,
    added.etag,
    added.modified,
    added.storageClass,
    added.parts,
    added.body,
    added.upload ?? null,
    added.tags,
    added.headers,
    added.lock,
  );
  return version;
}

/** @returns the version id of the new delete marker. */
export function addDeleteMarker(tx: Transaction, bucket: BucketRow, key: Uint8Array, modified: number): string {
  const { id, version } = beginVersion(tx, bucket, key);
  tx.run(
    `INSERT INTO versions (id, bucket, key, version, latest, marker, size, etag, modified, storage_class, parts, tags, headers)
     VALUES (?, ?, ?, ?, 1, 1, 0, '', ?, 'STANDARD', 0, '[]', '{}')`,
    id,
    bucket.id,
    key,
    version,
    modified,
  );
  return version;
}

/** Removes one version for good; the next older one becomes the latest. */
export function removeVersion(tx: Transaction, row: VersionRow): void {
  dropRow(tx, row);
  if (row.latest === 0) return;
  tx.run(
    `UPDATE versions SET latest = 1 WHERE id = (SELECT id FROM versions WHERE bucket = ? AND key = ? ORDER BY id DESC LIMIT 1)`,
    row.bucket,
    row.key,
  );
}

/** Makes room for a new latest version. @returns its row id, higher than any of its key, and its version id. */
function beginVersion(tx: Transaction, bucket: BucketRow, key: Uint8Array): { id: number; version: string } {
  if (bucket.versioning !== 'Enabled') {
    const replaced = namedVersion(tx, bucket, key, NULL_VERSION);
    if (replaced !== undefined) dropRow(tx, replaced);
  }
  if (bucket.versioning !== '') {
    tx.run('UPDATE versions SET latest = 0 WHERE bucket = ? AND key = ? AND latest = 1', bucket.id, key);
  }
  const { id } = tx.one<{ id: number }>('SELECT coalesce(max(id), 0) + 1 AS id FROM versions') ?? { id: 1 };
  return { id, version: bucket.versioning === 'Enabled' ? newVersionId(id) : NULL_VERSION };
}

function dropRow(tx: Transaction, row: VersionRow): void {
  tx.run('DELETE FROM versions WHERE id = ?', row.id);
  if (row.body !== null) release(tx, row.body);
}
