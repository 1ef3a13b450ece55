/** What lies in a store's directory, against what its index refers to. */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

export interface StoreFiles {
  /** Names of blob files on disk, `.partial` ones included. */
  readonly blobs: readonly string[];
  /** Names that the index refers to, with their sizes on record. */
  readonly indexed: ReadonlyMap<string, number>;
  /** Markers of writes under way, of all processes. */
  readonly pending: readonly string[];
  readonly owners: readonly string[];
  readonly garbage: number;
  readonly bodies: number;
}

export function storeFiles(directory: string): StoreFiles {
  const db = new DatabaseSync(join(directory, 'index.sqlite'), { readOnly: true });
  try {
    const rows = db.prepare('SELECT file, size FROM bodies WHERE file IS NOT NULL').all();
    return {
      blobs: filesUnder(join(directory, 'blobs')),
      indexed: new Map(rows.map(({ file, size }) => [String(file), Number(size)])),
      pending: filesUnder(join(directory, 'pending')),
      owners: filesUnder(join(directory, 'owners')),
      garbage: count(db, 'garbage'),
      bodies: count(db, 'bodies'),
    };
  } finally {
    db.close();
  }
}

/** Problems of reference counts and latest flags; empty in a sound index. */
export function indexProblems(directory: string): readonly string[] {
  const db = new DatabaseSync(join(directory, 'index.sqlite'), { readOnly: true });
  try {
    const counted = `SELECT b.id, b.refs,
        (SELECT count(*) FROM versions v WHERE v.body = b.id)
        + (SELECT count(*) FROM upload_parts u WHERE u.body = b.id)
        + (SELECT count(*) FROM pieces p WHERE p.leaf = b.id) AS actual
      FROM bodies b`;
    const wrong = db.prepare(`SELECT * FROM (${counted}) WHERE refs <> actual`).all();
    const latest = db
      .prepare(
        `SELECT bucket, key, sum(latest) AS n, max(id) AS newest,
           max(CASE WHEN latest = 1 THEN id END) AS marked
         FROM versions GROUP BY bucket, key HAVING n <> 1 OR newest <> marked`,
      )
      .all();
    const integrity = db.prepare('PRAGMA integrity_check').all();
    return [
      ...wrong.map((row) => `body ${row['id']}: ${row['refs']} references on record, ${row['actual']} in fact`),
      ...latest.map((row) => `key ${row['key']}: not exactly its newest version is the latest`),
      ...integrity.flatMap((row) => (row['integrity_check'] === 'ok' ? [] : [String(row['integrity_check'])])),
    ];
  } finally {
    db.close();
  }
}

export function blobSize(directory: string, file: string): number {
  return statSync(join(directory, 'blobs', file.slice(0, 2), file)).size;
}

function count(db: DatabaseSync, table: string): number {
  return Number(db.prepare(`SELECT count(*) AS n FROM ${table}`).get()?.['n']);
}

function filesUnder(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => entry.name);
}
