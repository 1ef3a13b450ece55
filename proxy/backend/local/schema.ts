/**
 * The index of the embedded store: one SQLite database in WAL mode, committed with synchronous=FULL, so that a commit that
 * returned survives a kill and a power cut. Several processes open the same file; SQLite's locks order their writes.
 *
 * `versions` has one row per object version and delete marker; the newest row of a key has the highest id and `latest` 1.
 * `bodies` has one row per stored body, counted by references: a leaf is inline (`data`) or a file (`file`); a composite,
 * the body of a multipart object, has neither and lists slices of leaves in `pieces`, keyed by their offset. `documents` has what
 * is configured for a bucket, where it is long and only ever given back.
 */
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { LOCAL_BUSY_MS } from '../../limits.ts';

/** Written to `user_version`; a store of a newer schema is refused, never guessed at. */
const SCHEMA_VERSION = 2;
/** 'SGlt', written to `application_id`, so that a foreign database is not taken for an index. */
const APPLICATION_ID = 0x53476c74;
const INDEX_FILE = 'index.sqlite';
/** Page cache of each connection, KiB. */
const CACHE_KIB = 32 * 1024;
/** Pages in the log before a checkpoint moves them: 16 MiB amortises the checkpoint's own fsyncs. */
const CHECKPOINT_PAGES = 4096;

const DDL = `
CREATE TABLE buckets (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE,
  created INTEGER NOT NULL,
  location TEXT NOT NULL,
  versioning TEXT NOT NULL,
  tags TEXT NOT NULL,
  settings TEXT NOT NULL DEFAULT '{}'
) STRICT;

CREATE TABLE bodies (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  refs INTEGER NOT NULL,
  size INTEGER NOT NULL,
  md5 TEXT,
  file TEXT,
  data BLOB
) STRICT;
CREATE UNIQUE INDEX bodies_by_file ON bodies(file) WHERE file IS NOT NULL;

CREATE TABLE pieces (
  body INTEGER NOT NULL,
  position INTEGER NOT NULL,
  part INTEGER NOT NULL,
  leaf INTEGER NOT NULL,
  start INTEGER NOT NULL,
  length INTEGER NOT NULL,
  PRIMARY KEY (body, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE versions (
  id INTEGER PRIMARY KEY,
  bucket INTEGER NOT NULL,
  key BLOB NOT NULL,
  version TEXT NOT NULL,
  latest INTEGER NOT NULL,
  marker INTEGER NOT NULL,
  size INTEGER NOT NULL,
  etag TEXT NOT NULL,
  modified INTEGER NOT NULL,
  storage_class TEXT NOT NULL,
  parts INTEGER NOT NULL,
  body INTEGER,
  upload TEXT,
  tags TEXT NOT NULL,
  headers TEXT NOT NULL,
  lock TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX versions_by_key ON versions(bucket, key, id DESC);
CREATE UNIQUE INDEX current_objects ON versions(bucket, key) WHERE latest = 1 AND marker = 0;

CREATE TABLE uploads (
  id TEXT PRIMARY KEY,
  bucket INTEGER NOT NULL,
  key BLOB NOT NULL,
  initiated INTEGER NOT NULL,
  storage_class TEXT NOT NULL,
  tags TEXT NOT NULL,
  headers TEXT NOT NULL,
  lock TEXT NOT NULL DEFAULT ''
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX uploads_by_key ON uploads(bucket, key, id);

CREATE TABLE upload_parts (
  upload TEXT NOT NULL,
  number INTEGER NOT NULL,
  body INTEGER NOT NULL,
  size INTEGER NOT NULL,
  etag TEXT NOT NULL,
  modified INTEGER NOT NULL,
  PRIMARY KEY (upload, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE documents (
  bucket INTEGER NOT NULL,
  name TEXT NOT NULL,
  document TEXT NOT NULL,
  PRIMARY KEY (bucket, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE garbage (file TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
CREATE TABLE pins (
  owner TEXT NOT NULL,
  pin INTEGER NOT NULL,
  file TEXT NOT NULL,
  PRIMARY KEY (owner, pin, file)
) STRICT, WITHOUT ROWID;
CREATE INDEX pins_by_file ON pins(file);

PRAGMA application_id = ${APPLICATION_ID};
PRAGMA user_version = ${SCHEMA_VERSION};
`;

/** From version 1: nothing is locked, and nothing configured. */
const FROM_1 = `
ALTER TABLE buckets ADD COLUMN settings TEXT NOT NULL DEFAULT '{}';
ALTER TABLE versions ADD COLUMN lock TEXT NOT NULL DEFAULT '';
ALTER TABLE uploads ADD COLUMN lock TEXT NOT NULL DEFAULT '';
CREATE TABLE documents (
  bucket INTEGER NOT NULL,
  name TEXT NOT NULL,
  document TEXT NOT NULL,
  PRIMARY KEY (bucket, name)
) STRICT, WITHOUT ROWID;
PRAGMA user_version = ${SCHEMA_VERSION};
`;

/**
 * Opens the index for the writer, creating it when it is new, and bringing it up to date when an older program made it.
 * @throws Error when the file is not an index of ours, or one of a newer schema.
 */
export function openIndexForWriting(directory: string): DatabaseSync {
  const db = new DatabaseSync(join(directory, INDEX_FILE), { timeout: LOCAL_BUSY_MS });
  try {
    db.exec('PRAGMA journal_mode = WAL');
    db.exec(`PRAGMA synchronous = FULL; PRAGMA cache_size = -${CACHE_KIB}; PRAGMA temp_store = MEMORY`);
    db.exec(
      `PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES}; PRAGMA journal_size_limit = ${CHECKPOINT_PAGES * 4096 * 4}`,
    );
    db.exec('BEGIN IMMEDIATE');
    if (pragma(db, 'user_version') === 0 && tableCount(db) === 0) db.exec(DDL);
    else if (pragma(db, 'user_version') === 1 && pragma(db, 'application_id') === APPLICATION_ID) db.exec(FROM_1);
    checkSchema(db);
    db.exec('COMMIT');
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

/** Opens the index read-only. Each statement run on it sees every commit that returned before it began. */
export function openIndexForReading(directory: string): DatabaseSync {
  const db = new DatabaseSync(join(directory, INDEX_FILE), { readOnly: true, timeout: LOCAL_BUSY_MS });
  db.exec(`PRAGMA cache_size = -${CACHE_KIB}; PRAGMA temp_store = MEMORY`);
  return db;
}

function checkSchema(db: DatabaseSync): void {
  if (pragma(db, 'application_id') !== APPLICATION_ID) throw new Error(`${INDEX_FILE} is not an index of this store`);
  const version = pragma(db, 'user_version');
  if (version !== SCHEMA_VERSION) {
    throw new Error(`${INDEX_FILE} has schema version ${version}; this program knows ${SCHEMA_VERSION}`);
  }
}

function pragma(db: DatabaseSync, name: string): number {
  return Number(db.prepare(`PRAGMA ${name}`).get()?.[name]);
}

function tableCount(db: DatabaseSync): number {
  return Number(db.prepare('SELECT count(*) AS n FROM sqlite_schema').get()?.['n']);
}
