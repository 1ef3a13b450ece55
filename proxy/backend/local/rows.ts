/** What the index's rows look like once read (schema.ts), and a cache of prepared statements to read them with. */
import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';

export type Versioning = '' | 'Enabled' | 'Suspended';

export interface BucketRow {
  readonly id: number;
  readonly name: string;
  /** Milliseconds since 1970, as all times of the index. */
  readonly created: number;
  readonly location: string;
  readonly versioning: Versioning;
  /** `[[name, value], ...]` as JSON; '' when the bucket has no tag set. */
  readonly tags: string;
  /** bucket-settings.ts, as JSON. */
  readonly settings: string;
}

export interface VersionRow {
  readonly id: number;
  readonly bucket: number;
  /** UTF-8, so that SQLite's order of BLOBs is S3's order of keys. */
  readonly key: Uint8Array;
  /** `null` (the word) for the null version. */
  readonly version: string;
  readonly latest: 0 | 1;
  /** 1 for a delete marker, which has no body. */
  readonly marker: 0 | 1;
  readonly size: number;
  /** Hex, without quotes. */
  readonly etag: string;
  readonly modified: number;
  readonly storage_class: string;
  /** Parts of a multipart object; 0 for a single PUT. */
  readonly parts: number;
  readonly body: number | null;
  /** The upload that made this version, so that a repeated Complete is recognised. */
  readonly upload: string | null;
  /** `[[name, value], ...]` as JSON. */
  readonly tags: string;
  /** Stored headers by lower-case name, as JSON. */
  readonly headers: string;
  /** Lock (locks.ts) as JSON; '' for a version that nobody has locked. */
  readonly lock: string;
}

/** The columns of a listing. */
export type ListedVersion = Pick<
  VersionRow,
  'id' | 'key' | 'version' | 'latest' | 'marker' | 'size' | 'etag' | 'modified' | 'storage_class'
>;
export const LISTED = 'id, key, version, latest, marker, size, etag, modified, storage_class';

export interface BodyRow {
  readonly id: number;
  readonly refs: number;
  readonly size: number;
  /** Hex MD5 of a leaf. */
  readonly md5: string | null;
  readonly file: string | null;
  readonly data: Uint8Array | null;
}

/** A slice of a leaf at an offset of a composite body. */
export interface PieceRow {
  readonly position: number;
  readonly part: number;
  readonly leaf: number;
  readonly start: number;
  readonly length: number;
}

export interface UploadRow {
  readonly id: string;
  readonly bucket: number;
  readonly key: Uint8Array;
  readonly initiated: number;
  readonly storage_class: string;
  readonly tags: string;
  readonly headers: string;
  /** What the version is to be locked with, as in `versions`. */
  readonly lock: string;
}

export interface PartRow {
  readonly number: number;
  readonly body: number;
  readonly size: number;
  readonly etag: string;
  readonly modified: number;
}

/** Statements of one connection, prepared once. */
export class Statements {
  readonly #db: DatabaseSync;
  readonly #prepared = new Map<string, StatementSync>();

  constructor(db: DatabaseSync) {
    this.#db = db;
  }

  one<Row>(sql: string, ...values: SQLInputValue[]): Row | undefined {
    return this.#prepare(sql).get(...values) as Row | undefined;
  }

  all<Row>(sql: string, ...values: SQLInputValue[]): readonly Row[] {
    return this.#prepare(sql).all(...values) as unknown as readonly Row[];
  }

  /** Rows as they are stepped through. Leaving the loop early ends the statement. */
  each<Row>(sql: string, ...values: SQLInputValue[]): Iterable<Row> {
    return this.#prepare(sql).iterate(...values) as unknown as Iterable<Row>;
  }

  /** @returns the rowid of an INSERT. */
  run(sql: string, ...values: SQLInputValue[]): number {
    return Number(this.#prepare(sql).run(...values).lastInsertRowid);
  }

  #prepare(sql: string): StatementSync {
    let statement = this.#prepared.get(sql);
    if (statement === undefined) {
      statement = this.#db.prepare(sql);
      this.#prepared.set(sql, statement);
    }
    return statement;
  }
}
