// Protects: mutations that share a transaction share nothing else: a refused or broken one leaves no trace and the others
// stand; nothing is acknowledged when the commit fails.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { commitGroup } from '../../../../proxy/backend/local/group-commit.ts';
import type { PutObject } from '../../../../proxy/backend/local/mutations/objects.ts';
import { Reserve } from '../../../../proxy/backend/local/reserve.ts';
import { openIndexForWriting } from '../../../../proxy/backend/local/schema.ts';
import { Transaction } from '../../../../proxy/backend/local/transaction.ts';
import type { MutationMessage } from '../../../../proxy/backend/local/writer-protocol.ts';

let directory: string;
let db: DatabaseSync;
let tx: Transaction;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sealgate-group-'));
  db = openIndexForWriting(directory);
  tx = new Transaction(db, 'test');
});
afterEach(() => {
  db.close();
  rmSync(directory, { recursive: true });
});

function put(id: number, more: Partial<PutObject> = {}): MutationMessage {
  const argument: PutObject = {
    bucket: 'b',
    key: `k${id}`,
    body: { size: 1, md5: 'm', file: `file-${id}` },
    modified: 0,
    storageClass: 'STANDARD',
    tags: '[]',
    headers: '{}',
    lock: {},
    conditions: {},
    ...more,
  };
  return { id, name: 'putObject', argument };
}
const create: MutationMessage = {
  id: 0,
  name: 'createBucket',
  argument: { name: 'b', location: '', created: 0, settings: {} },
};
const commit = (group: readonly MutationMessage[]) => commitGroup(db, tx, group, new Reserve(directory));
const count = (table: string) => Number(db.prepare(`SELECT count(*) AS n FROM ${table}`).get()?.['n']);

test('one refused among many', () => {
  const { outcomes, garbage } = commit([
    create,
    put(1),
    put(2, { bucket: 'none' }),
    put(3, { key: 'k1', conditions: { ifNoneMatch: '*' } }),
    put(4),
  ]);
  expect(outcomes.map((outcome) => ('refused' in outcome ? outcome.refused.code : Object.keys(outcome)[1]))).toEqual([
    'result',
    'result',
    'NoSuchBucket',
    'PreconditionFailed',
    'result',
  ]);
  expect([count('versions'), count('bodies'), garbage]).toEqual([2, 2, []]);
});

test('one that breaks half-way is undone alone, its garbage with it', () => {
  commit([create, put(1)]);
  // It has stored its body and dropped the version it replaces when its own row is refused.
  db.exec(`CREATE TRIGGER breaks BEFORE INSERT ON versions WHEN new.etag = 'broken'
    BEGIN SELECT raise(ABORT, 'broken'); END`);
  const broken = put(2, { key: 'k1', body: { size: 1, md5: 'broken', file: 'file-2' } });
  expect(commit([broken])).toMatchObject({ outcomes: [{ id: 2 }], garbage: [] });
  expect(db.prepare('SELECT etag FROM versions').all()).toEqual([{ etag: 'm' }]);
  const { outcomes, garbage } = commit([put(3), broken, put(4, { key: 'k1' })]);
  expect(outcomes.map((outcome) => 'failed' in outcome)).toEqual([false, true, false]);
  expect(garbage).toEqual(['file-1']);
  const files = db.prepare('SELECT file FROM bodies ORDER BY file').all();
  expect(files.map(({ file }) => file)).toEqual(['file-3', 'file-4']);
});

test('when the commit fails, every one of the group has failed', () => {
  commit([create]);
  // A deferred constraint fails at the commit, after every mutation has run.
  db.exec(`PRAGMA foreign_keys = ON; CREATE TABLE parent (id INTEGER PRIMARY KEY);
    CREATE TABLE child (id INTEGER REFERENCES parent(id) DEFERRABLE INITIALLY DEFERRED);
    CREATE TRIGGER breaks AFTER INSERT ON versions BEGIN INSERT INTO child VALUES (1); END`);
  const { outcomes, garbage } = commit([put(1), put(2)]);
  expect(outcomes.map((outcome) => 'failed' in outcome)).toEqual([true, true]);
  expect([count('versions'), count('bodies'), garbage, db.isTransaction]).toEqual([0, 0, [], false]);
  db.exec('DROP TRIGGER breaks');
  expect(commit([put(3)]).outcomes).toMatchObject([{ id: 3, result: {} }]);
});

test('a full disk fails the group and leaves the index usable', () => {
  commit([create]);
  const pages = Number(db.prepare('PRAGMA page_count').get()?.['page_count']);
  db.exec(`PRAGMA max_page_count = ${pages}`);
  const large = put(1, { body: { size: 65_536, md5: 'm', data: new Uint8Array(65_536) } });
  const { outcomes } = commit([put(2), large]);
  expect(outcomes.some((outcome) => 'failed' in outcome)).toBe(true);
  expect(db.isTransaction).toBe(false);
  db.exec('PRAGMA max_page_count = 1000000');
  expect(commit([put(3)]).outcomes).toMatchObject([{ id: 3, result: {} }]);
  const stored = count('versions');
  expect(stored).toBe(outcomes.filter((outcome) => 'result' in outcome).length + 1);
});

test('an index without room: the outcome says so', () => {
  commit([create]);
  const { page_count: pages } = db.prepare('PRAGMA page_count').get() as { page_count: number };
  db.exec(`PRAGMA max_page_count = ${pages}`);
  const big = { size: 60_000, md5: '0'.repeat(32), data: new Uint8Array(60_000) };
  const [outcome] = commit([put(2, { body: big })]).outcomes;
  expect(outcome).toMatchObject({ id: 2, isFull: true });
});
