// Protects: versions and delete markers: which is current, what each request names, listing and resuming.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { md5Base64, openTestStore, type TestStore } from './harness.ts';
import { indexProblems } from './store-files.ts';

let store: TestStore;
beforeAll(async () => {
  store = await openTestStore();
});
afterAll(async () => {
  expect(indexProblems(store.directory)).toEqual([]);
  await store[Symbol.asyncDispose]();
});

async function setVersioning(bucket: string, status: string) {
  const body = `<VersioningConfiguration><Status>${status}</Status></VersioningConfiguration>`;
  return store.put({ bucket, query: { versioning: '' }, body });
}

async function bucketWith(bucket: string, status?: string): Promise<string> {
  await store.put({ bucket });
  if (status !== undefined) await setVersioning(bucket, status);
  return bucket;
}

const idOf = (answer: { headers: Readonly<Record<string, string>> }) => answer.headers['x-amz-version-id'] ?? '';

test('the state of a bucket: none, Enabled, Suspended', async () => {
  const bucket = await bucketWith('states');
  const status = async () => (await store.get({ bucket, query: { versioning: '' } })).xml.value('Status');
  expect(await status()).toBeUndefined();
  for (const value of ['Enabled', 'Suspended', 'Enabled']) {
    expect((await setVersioning(bucket, value)).status).toBe(200);
    expect(await status()).toBe(value);
  }
  expect((await setVersioning(bucket, 'Off')).code).toBe('MalformedXML');
  expect((await store.put({ bucket, query: { versioning: '' }, body: 'x' })).code).toBe('MalformedXML');
});

test('an unversioned bucket shows no version ids', async () => {
  const bucket = await bucketWith('unversioned');
  expect(idOf(await store.put({ bucket, key: 'k', body: '1' }))).toBe('');
  expect(idOf(await store.head({ bucket, key: 'k' }))).toBe('');
  expect((await store.get({ bucket, key: 'k', query: { versionId: 'null' } })).text).toBe('1');
});

test('every PUT is a version of its own; DELETE hides them; deleting the marker brings the last one back', async () => {
  const bucket = await bucketWith('enabled', 'Enabled');
  const ids: string[] = [];
  for (const body of ['1', '2', '3']) ids.push(idOf(await store.put({ bucket, key: 'k', body })));
  expect(new Set(ids).size).toBe(3);
  const marker = await store.delete({ bucket, key: 'k' });
  expect([marker.status, marker.headers['x-amz-delete-marker']]).toEqual([204, 'true']);
  const hidden = await store.get({ bucket, key: 'k' });
  expect([hidden.status, hidden.code, hidden.headers['x-amz-delete-marker']]).toEqual([404, 'NoSuchKey', 'true']);
  expect(idOf(hidden)).toBe(idOf(marker));
  const named = await store.get({ bucket, key: 'k', query: { versionId: idOf(marker) } });
  expect([named.status, named.code, named.headers['allow']]).toEqual([405, 'MethodNotAllowed', 'DELETE']);
  for (const [i, versionId] of ids.entries()) {
    const got = await store.get({ bucket, key: 'k', query: { versionId } });
    expect([got.text, idOf(got)]).toEqual([String(i + 1), versionId]);
  }
  expect((await store.get({ bucket, query: { 'list-type': '2' } })).xml.value('KeyCount')).toBe('0');
  const undelete = await store.delete({ bucket, key: 'k', query: { versionId: idOf(marker) } });
  expect([undelete.headers['x-amz-delete-marker'], idOf(undelete)]).toEqual(['true', idOf(marker)]);
  expect((await store.get({ bucket, key: 'k' })).text).toBe('3');
  await store.delete({ bucket, key: 'k', query: { versionId: ids[2] ?? '' } });
  expect((await store.get({ bucket, key: 'k' })).text).toBe('2');
  expect((await store.get({ bucket, key: 'k', query: { versionId: ids[2] ?? '' } })).code).toBe('NoSuchVersion');
  expect((await store.delete({ bucket, key: 'k', query: { versionId: ids[2] ?? '' } })).status).toBe(204);
});

test('a suspended bucket replaces its null version and keeps the others', async () => {
  const bucket = await bucketWith('suspended');
  await store.put({ bucket, key: 'k', body: 'before' });
  await setVersioning(bucket, 'Enabled');
  const kept = idOf(await store.put({ bucket, key: 'k', body: 'kept' }));
  expect((await store.get({ bucket, key: 'k', query: { versionId: 'null' } })).text).toBe('before');
  await setVersioning(bucket, 'Suspended');
  expect(idOf(await store.put({ bucket, key: 'k', body: 'after' }))).toBe('null');
  expect((await store.get({ bucket, key: 'k', query: { versionId: 'null' } })).text).toBe('after');
  expect((await store.get({ bucket, key: 'k', query: { versionId: kept } })).text).toBe('kept');
  const marker = await store.delete({ bucket, key: 'k' });
  expect([idOf(marker), marker.headers['x-amz-delete-marker']]).toEqual(['null', 'true']);
  const { xml } = await store.get({ bucket, query: { versions: '' } });
  expect(xml.children('Version').map((row) => row.value('VersionId'))).toEqual([kept]);
  expect(xml.children('DeleteMarker').map((row) => row.value('VersionId'))).toEqual(['null']);
});

test('conditions see the current object, and none behind a delete marker', async () => {
  const bucket = await bucketWith('conditional', 'Enabled');
  const create = () => store.put({ bucket, key: 'k', body: 'x', headers: { 'if-none-match': '*' } });
  expect((await create()).status).toBe(200);
  expect((await create()).status).toBe(412);
  await store.delete({ bucket, key: 'k' });
  expect((await store.put({ bucket, key: 'k', body: 'x', headers: { 'if-match': '*' } })).status).toBe(404);
  expect((await create()).status).toBe(200);
});

test('DeleteObjects makes markers and removes versions', async () => {
  const bucket = await bucketWith('delete-many', 'Enabled');
  const versionId = idOf(await store.put({ bucket, key: 'a', body: '1' }));
  await store.put({ bucket, key: 'b', body: '2' });
  const body = `<Delete><Object><Key>a</Key><VersionId>${versionId}</VersionId></Object><Object><Key>b</Key></Object></Delete>`;
  const { xml } = await store.post({
    bucket,
    query: { delete: '' },
    body,
    headers: { 'content-md5': md5Base64(body) },
  });
  const rows = xml
    .children('Deleted')
    .map((row) => [row.value('Key'), row.value('VersionId'), row.value('DeleteMarker')]);
  expect(rows).toEqual([
    ['a', versionId, undefined],
    ['b', undefined, 'true'],
  ]);
  expect(xml.children('Deleted')[1]?.value('DeleteMarkerVersionId')).toHaveLength(32);
});

test('a listing mixes versions and delete markers in the order of their keys, newest first', async () => {
  const bucket = await bucketWith('mixed-rows', 'Enabled');
  for (const key of ['a', 'b', 'c']) await store.put({ bucket, key, body: '1' });
  for (const key of ['a', 'b']) await store.delete({ bucket, key });
  await store.put({ bucket, key: 'a', body: '2' });
  const { text } = await store.get({ bucket, query: { versions: '' } });
  const rows = [...text.matchAll(/<(Version|DeleteMarker)><Key>(.)</g)].map(([, name, key]) => `${key} ${name}`);
  expect(rows).toEqual(['a Version', 'a DeleteMarker', 'a Version', 'b DeleteMarker', 'b Version', 'c Version']);
});

async function allVersions(bucket: string, query: Record<string, string>, onPage?: (ids: string[]) => Promise<void>) {
  const seen: string[] = [];
  let marker: Record<string, string> = {};
  for (let page = 0; page < 100; page++) {
    const { xml } = await store.get({ bucket, query: { versions: '', ...query, ...marker } });
    const rows = [...xml.children('Version'), ...xml.children('DeleteMarker')];
    const ids = rows.map((row) => `${row.value('Key')} ${row.value('VersionId')}`);
    seen.push(...ids, ...xml.children('CommonPrefixes').map((row) => row.value('Prefix') ?? ''));
    await onPage?.(ids);
    if (xml.value('IsTruncated') !== 'true') return seen;
    const versionMarker = xml.value('NextVersionIdMarker');
    marker = {
      'key-marker': xml.value('NextKeyMarker') ?? '',
      ...(versionMarker === undefined ? {} : { 'version-id-marker': versionMarker }),
    };
  }
  throw new Error('the pages do not end');
}

test('versions are listed newest first, page by page, whatever the page size', async () => {
  const bucket = await bucketWith('list-versions');
  await store.put({ bucket, key: 'a', body: 'null' });
  await setVersioning(bucket, 'Enabled');
  const expected: string[] = [];
  for (const key of ['a', 'b/1', 'b/2', 'c']) {
    const ids = key === 'a' ? ['null'] : [];
    for (let i = 0; i < 3; i++) ids.unshift(idOf(await store.put({ bucket, key, body: String(i) })));
    expected.push(...ids.map((id) => `${key} ${id}`));
  }
  for (const size of [1, 2, 3, 5, 1000]) {
    expect([size, await allVersions(bucket, { 'max-keys': String(size) })]).toEqual([size, expected]);
  }
  const rolled = [...expected.filter((row) => !row.startsWith('b/')), 'b/'].sort();
  for (const size of [1, 2, 1000]) {
    expect((await allVersions(bucket, { delimiter: '/', 'max-keys': String(size) })).sort()).toEqual(rolled);
  }
  expect(await allVersions(bucket, { prefix: 'b/', 'max-keys': '2' })).toEqual(
    expected.filter((row) => row.startsWith('b/')),
  );
  const { xml } = await store.get({ bucket, query: { versions: '' } });
  expect(xml.children('Version').filter((row) => row.value('IsLatest') === 'true')).toHaveLength(4);
});

test('deleting each page as it is listed empties the bucket', async () => {
  const bucket = await bucketWith('emptying', 'Enabled');
  for (let i = 0; i < 12; i++) await store.put({ bucket, key: `k${i % 2}`, body: String(i) });
  await allVersions(bucket, { 'max-keys': '3' }, async (ids) => {
    for (const id of ids) {
      const [key = '', versionId = ''] = id.split(' ');
      await store.delete({ bucket, key, query: { versionId } });
    }
  });
  expect((await store.delete({ bucket })).status).toBe(204);
});

test('markers of a listing are checked', async () => {
  const bucket = await bucketWith('markers', 'Enabled');
  const listed = (query: Record<string, string>) => store.get({ bucket, query: { versions: '', ...query } });
  expect((await listed({ 'version-id-marker': 'null' })).code).toBe('InvalidArgument');
  expect((await listed({ 'key-marker': 'k', 'version-id-marker': 'nonsense' })).code).toBe('InvalidArgument');
  expect((await listed({ prefix: 'z', 'key-marker': 'a', 'version-id-marker': 'null' })).status).toBe(200);
});
