/** Every question the operations ask the index, over one read-only connection. Each call is its own snapshot. */
import type { DatabaseSync } from 'node:sqlite';
import { S3Error } from '../../errors.ts';
import {
  type BodyRow,
  type BucketRow,
  LISTED,
  type ListedVersion,
  type PartRow,
  type PieceRow,
  Statements,
  type UploadRow,
  type VersionRow,
} from './rows.ts';

/** A slice of a composite body with where its bytes are. */
export type LocatedPiece = PieceRow & Pick<BodyRow, 'file' | 'data'>;

export class IndexReader {
  readonly #db: DatabaseSync;
  readonly #sql: Statements;

  constructor(db: DatabaseSync) {
    this.#db = db;
    this.#sql = new Statements(db);
  }

  close(): void {
    this.#db.close();
  }

  /** @throws S3Error NoSuchBucket */
  bucket(name: string): BucketRow {
    const row = this.#sql.one<BucketRow>('SELECT * FROM buckets WHERE name = ?', name);
    if (row === undefined) throw new S3Error('NoSuchBucket', undefined, { details: { BucketName: name } });
    return row;
  }

  /** Buckets in order of their names, from just after `after`. */
  buckets(after: string, prefix: string, limit: number): readonly BucketRow[] {
    return this.#sql.all<BucketRow>(
      'SELECT * FROM buckets WHERE name > ? AND substr(name, 1, ?) = ? ORDER BY name LIMIT ?',
      after,
      prefix.length,
      prefix,
      limit,
    );
  }

  /** A configuration of a bucket, as it was given. */
  document(bucket: number, name: string): string | undefined {
    return this.#sql.one<{ document: string }>(
      'SELECT document FROM documents WHERE bucket = ? AND name = ?',
      bucket,
      name,
    )?.document;
  }

  /** The newest version of a key, which may be a delete marker. */
  latest(bucket: number, key: Uint8Array): VersionRow | undefined {
    return this.#sql.one('SELECT * FROM versions WHERE bucket = ? AND key = ? ORDER BY id DESC LIMIT 1', bucket, key);
  }

  version(bucket: number, key: Uint8Array, version: string): VersionRow | undefined {
    return this.#sql.one('SELECT * FROM versions WHERE bucket = ? AND key = ? AND version = ?', bucket, key, version);
  }

  body(id: number): BodyRow | undefined {
    return this.#sql.one('SELECT * FROM bodies WHERE id = ?', id);
  }

  /** The pieces that overlap `[start, end)` of a composite body, in order. */
  pieces(body: number, start: number, end: number): readonly LocatedPiece[] {
    return this.#sql.all<LocatedPiece>(
      `SELECT p.position, p.part, p.leaf, p.start, p.length, b.file, b.data
       FROM pieces p JOIN bodies b ON b.id = p.leaf
       WHERE p.body = ?1 AND p.position < ?3
         AND p.position >= coalesce((SELECT max(position) FROM pieces WHERE body = ?1 AND position <= ?2), 0)
       ORDER BY p.position`,
      body,
      start,
      end,
    );
  }

  /** Where part `number` lies in a composite body, bytes. */
  partSpan(body: number, number: number): { readonly start: number; readonly length: number } | undefined {
    const span = this.#sql.one<{ start: number | null; length: number | null }>(
      'SELECT min(position) AS start, sum(length) AS length FROM pieces WHERE body = ? AND part = ?',
      body,
      number,
    );
    if (span === undefined || span.start === null || span.length === null) return undefined;
    return { start: span.start, length: span.length };
  }

  /** Current objects in key order, from `from` on. */
  currentFrom(bucket: number, from: Uint8Array): Iterable<ListedVersion> {
    return this.#sql.each(
      `SELECT ${LISTED} FROM versions INDEXED BY current_objects
       WHERE bucket = ? AND key >= ? AND latest = 1 AND marker = 0 ORDER BY key`,
      bucket,
      from,
    );
  }

  /** Versions and delete markers in key order, newest first, from key `from` on. */
  versionsFrom(bucket: number, from: Uint8Array): Iterable<ListedVersion> {
    return this.#sql.each(
      `SELECT ${LISTED} FROM versions INDEXED BY versions_by_key WHERE bucket = ? AND key >= ? ORDER BY key, id DESC`,
      bucket,
      from,
    );
  }

  /** Versions of one key that are older than row `id`, newest first. */
  olderVersions(bucket: number, key: Uint8Array, id: number): Iterable<ListedVersion> {
    return this.#sql.each(
      `SELECT ${LISTED} FROM versions WHERE bucket = ? AND key = ? AND id < ? ORDER BY id DESC`,
      bucket,
      key,
      id,
    );
  }

  /** @throws S3Error NoSuchUpload */
  upload(bucket: number, key: Uint8Array, id: string): UploadRow {
    const row = this.#sql.one<UploadRow>(
      'SELECT * FROM uploads WHERE id = ? AND bucket = ? AND key = ?',
      id,
      bucket,
      key,
    );
    if (row === undefined) throw new S3Error('NoSuchUpload', undefined, { details: { UploadId: id } });
    return row;
  }

  /** Uploads in order of key and age, from key `from` on. */
  uploadsFrom(bucket: number, from: Uint8Array): Iterable<UploadRow> {
    return this.#sql.each('SELECT * FROM uploads WHERE bucket = ? AND key >= ? ORDER BY key, id', bucket, from);
  }

  /** Uploads of one key that are younger than upload `id`. */
  uploadsOfKeyAfter(bucket: number, key: Uint8Array, id: string): Iterable<UploadRow> {
    return this.#sql.each('SELECT * FROM uploads WHERE bucket = ? AND key = ? AND id > ? ORDER BY id', bucket, key, id);
  }

  parts(upload: string, after: number, limit: number): readonly PartRow[] {
    return this.#sql.all<PartRow>(
      'SELECT number, body, size, etag, modified FROM upload_parts WHERE upload = ? AND number > ? ORDER BY number LIMIT ?',
      upload,
      after,
      limit,
    );
  }
}
