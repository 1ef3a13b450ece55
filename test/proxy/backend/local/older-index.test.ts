// Protects: a store of an older program opens with everything in it, and has from then on what the newer one can do.
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import { openLocalBackend } from '../../../../proxy/backend/local/local.ts';
import { openTestStore } from './harness.ts';
import { indexProblems } from './store-files.ts';

/** What version 2 added, taken away again. */
const AS_VERSION_1 = `
ALTER TABLE buckets DROP COLUMN settings;
ALTER TABLE versions DROP COLUMN lock;
ALTER TABLE uploads DROP COLUMN lock;
DROP TABLE documents;
PRAGMA user_version = 1;
`;

test('an index of version 1', async () => {
  await using store = await openTestStore({ bucket: 'old' });
  const enabled = '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>';
  await store.put({ bucket: 'old', query: { versioning: '' }, body: enabled });
  const { headers } = await store.put({ bucket: 'old', key: 'k', body: 'old' });
  const versionId = headers['x-amz-version-id'] ?? '';
  const begun = await store.post({ bucket: 'old', key: 'parts', query: { uploads: '' } });
  await store.backend.close();
  const db = new DatabaseSync(join(store.directory, 'index.sqlite'));
  db.exec(AS_VERSION_1);
  db.close();

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
