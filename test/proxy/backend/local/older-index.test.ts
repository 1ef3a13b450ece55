// Protects: a store of an older program opens with everything in it, and has from then on what the newer one can do.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, expect, test } from 'vitest';
import { openLocalBackend } from '../../../../proxy/backend/local/local.ts';
import { SmallDisk } from '../../../helpers/small-disk.ts';
import { openTestStore, send } from './harness.ts';
import { indexProblems } from './store-files.ts';

/** What version 2 added, taken away again. */
const AS_VERSION_1 = `
ALTER TABLE buckets DROP COLUMN settings;
ALTER TABLE versions DROP COLUMN lock;
ALTER TABLE uploads DROP COLUMN lock;
DROP TABLE documents;
PRAGMA user_version = 1;
`;

function makeOlder(directory: string): void {
  const db = new DatabaseSync(join(directory, 'index.sqlite'));
  db.exec(AS_VERSION_1);
  db.close();
}

function pragma(directory: string, name: 'user_version' | 'integrity_check'): unknown {
  const db = new DatabaseSync(join(directory, 'index.sqlite'), { readOnly: true });
  try {
    return db.prepare(`PRAGMA ${name}`).get()?.[name];
  } finally {
    db.close();
  }
}

test('an index of version 1', async () => {
  await using store = await openTestStore({ bucket: 'old' });
  const enabled = '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>';
  await store.put({ bucket: 'old', query: { versioning: '' }, body: enabled });
  const { headers } = await store.put({ bucket: 'old', key: 'k', body: 'old' });
  const versionId = headers['x-amz-version-id'] ?? '';
  const begun = await store.post({ bucket: 'old', key: 'parts', query: { uploads: '' } });
  await store.backend.close();
  makeOlder(store.directory);

  store.backend = await openLocalBackend({ directory: store.directory });
  expect((await store.get({ bucket: 'old', key: 'k' })).text).toBe('old');
  const uploads = await store.get({ bucket: 'old', query: { uploads: '' } });
  expect(uploads.xml.child('Upload')?.value('UploadId')).toBe(begun.xml.value('UploadId'));
  const locks = '<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>';
  expect((await store.put({ bucket: 'old', query: { 'object-lock': '' }, body: locks })).status).toBe(200);
  const hold = '<LegalHold><Status>ON</Status></LegalHold>';
  expect((await store.put({ bucket: 'old', key: 'k', query: { 'legal-hold': '' }, body: hold })).status).toBe(200);
  expect((await store.delete({ bucket: 'old', key: 'k', query: { versionId } })).code).toBe('AccessDenied');
  expect(indexProblems(store.directory)).toEqual([]);
});

test('several processes may open it at once', async () => {
  await using store = await openTestStore({ bucket: 'old' });
  await store.put({ bucket: 'old', key: 'k', body: 'old' });
  await store.backend.close();
  makeOlder(store.directory);

  const { directory } = store;
  const [first, ...others] = await Promise.all(Array.from({ length: 4 }, () => openLocalBackend({ directory })));
  if (first !== undefined) store.backend = first;
  expect((await store.get({ bucket: 'old', key: 'k' })).text).toBe('old');
  await Promise.all(others.map((other) => other.close()));
  expect([pragma(directory, 'user_version'), indexProblems(directory)]).toEqual([2, []]);
});

const disk = SmallDisk.mount(24);
afterAll(() => disk?.unmount());

test.skipIf(disk === undefined)('a disk without room leaves it as it is, and it opens once there is room', async () => {
  const directory = join(disk?.directory ?? '', 'store');
  const backend = await openLocalBackend({ directory });
  await send(backend, 'PUT', { bucket: 'old' });
  await send(backend, 'PUT', { bucket: 'old', key: 'k', body: 'old' });
  await backend.close();
  makeOlder(directory);
  // Older programs kept no room.
  rmSync(join(directory, 'reserve'));
  disk?.fill();
  await expect(openLocalBackend({ directory })).rejects.toThrow();
  disk?.makeRoom();
  expect([pragma(directory, 'user_version'), pragma(directory, 'integrity_check')]).toEqual([1, 'ok']);
  const again = await openLocalBackend({ directory });
  expect((await send(again, 'GET', { bucket: 'old', key: 'k' })).text).toBe('old');
  await again.close();
  expect([pragma(directory, 'user_version'), indexProblems(directory)]).toEqual([2, []]);
});
