// Protects: tags of objects and buckets, through headers, documents, copies and versions, within S3's limits.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openTestStore, type TestStore } from './harness.ts';

const bucket = 'tagging';
let store: TestStore;
beforeAll(async () => {
  store = await openTestStore({ bucket });
});
afterAll(() => store[Symbol.asyncDispose]());

const document = (tags: readonly (readonly [string, string])[]) =>
  `<Tagging><TagSet>${tags.map(([k, v]) => `<Tag><Key>${k}</Key><Value>${v}</Value></Tag>`).join('')}</TagSet></Tagging>`;

async function tagsOf(key: string, query: Record<string, string> = {}) {
  const { xml } = await store.get({ bucket, key, query: { tagging: '', ...query } });
  return (xml.child('TagSet')?.children('Tag') ?? []).map((tag) => [tag.value('Key'), tag.value('Value')]);
}

test('tags of a PUT, replaced and removed', async () => {
  await store.put({ bucket, key: 'k', body: 'x', headers: { 'x-amz-tagging': 'a=1&b+c=%C3%BC%26&flag' } });
  expect(await tagsOf('k')).toEqual([
    ['a', '1'],
    ['b c', 'ü&'],
    ['flag', ''],
  ]);
  expect((await store.head({ bucket, key: 'k' })).headers['x-amz-tagging-count']).toBe('3');
  const put = await store.put({ bucket, key: 'k', query: { tagging: '' }, body: document([['z', '9']]) });
  expect(put.status).toBe(200);
  expect(await tagsOf('k')).toEqual([['z', '9']]);
  expect((await store.delete({ bucket, key: 'k', query: { tagging: '' } })).status).toBe(204);
  expect(await tagsOf('k')).toEqual([]);
  expect((await store.get({ bucket, key: 'k' })).headers['x-amz-tagging-count']).toBeUndefined();
  await store.put({ bucket, key: 'k', query: { tagging: '' }, body: document([['again', '1']]) });
  await store.put({ bucket, key: 'k', body: 'replaced' });
  expect(await tagsOf('k')).toEqual([]);
});

test('tag sets that S3 refuses', async () => {
  await store.put({ bucket, key: 'bad', body: 'x' });
  const many = (n: number) => document(Array.from({ length: n }, (_, i) => [`k${i}`, 'v']));
  const cases: readonly (readonly [string, string])[] = [
    [many(11), 'InvalidTag'],
    [document([['k'.repeat(129), 'v']]), 'InvalidTag'],
    [document([['k', 'v'.repeat(257)]]), 'InvalidTag'],
    [document([['', 'v']]), 'InvalidTag'],
    [
      document([
        ['a', '1'],
        ['a', '2'],
      ]),
      'InvalidTag',
    ],
    ['<Tagging/>', 'MalformedXML'],
    ['<Tagging><TagSet><Tag><Key>a</Key></Tag></TagSet></Tagging>', 'MalformedXML'],
    ['<Other/>', 'MalformedXML'],
  ];
  for (const [body, code] of cases) {
    expect((await store.put({ bucket, key: 'bad', query: { tagging: '' }, body })).code).toBe(code);
  }
  expect(cases).toHaveLength(8);
  expect((await store.put({ bucket, key: 'bad', query: { tagging: '' }, body: many(10) })).status).toBe(200);
  const headers = { 'x-amz-tagging': 'a=1&a=2' };
  expect((await store.put({ bucket, key: 'k', body: 'x', headers })).code).toBe('InvalidTag');
  expect((await store.put({ bucket, key: 'k', body: 'x', headers: { 'x-amz-tagging': 'a=%ff' } })).code).toBe(
    'InvalidArgument',
  );
});

test('tags belong to a version', async () => {
  const versioned = 'tagging-versions';
  await store.put({ bucket: versioned });
  const enable = '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>';
  await store.put({ bucket: versioned, query: { versioning: '' }, body: enable });
  const first = (await store.put({ bucket: versioned, key: 'k', body: '1', headers: { 'x-amz-tagging': 'v=1' } }))
    .headers;
  await store.put({ bucket: versioned, key: 'k', body: '2', headers: { 'x-amz-tagging': 'v=2' } });
  const versionId = first['x-amz-version-id'] ?? '';
  const body = document([['v', 'one']]);
  const put = await store.put({ bucket: versioned, key: 'k', query: { tagging: '', versionId }, body });
  expect(put.headers['x-amz-version-id']).toBe(versionId);
  const value = async (query: Record<string, string>) =>
    (await store.get({ bucket: versioned, key: 'k', query: { tagging: '', ...query } })).xml
      .child('TagSet')
      ?.child('Tag')
      ?.value('Value');
  expect([await value({ versionId }), await value({})]).toEqual(['one', '2']);
  await store.delete({ bucket: versioned, key: 'k' });
  expect((await store.get({ bucket: versioned, key: 'k', query: { tagging: '' } })).status).toBe(404);
});

test('tags of an object that is not there', async () => {
  const missing = { bucket, key: 'missing', query: { tagging: '' } };
  expect((await store.get(missing)).code).toBe('NoSuchKey');
  expect((await store.put({ ...missing, body: document([]) })).code).toBe('NoSuchKey');
  expect((await store.delete(missing)).code).toBe('NoSuchKey');
});

test('tags of a bucket', async () => {
  const query = { tagging: '' };
  expect((await store.get({ bucket, query })).code).toBe('NoSuchTagSet');
  const many = document(Array.from({ length: 50 }, (_, i) => [`k${i}`, 'v']));
  expect((await store.put({ bucket, query, body: many })).status).toBe(204);
  expect((await store.get({ bucket, query })).xml.child('TagSet')?.children('Tag')).toHaveLength(50);
  expect((await store.delete({ bucket, query })).status).toBe(204);
  expect((await store.get({ bucket, query })).code).toBe('NoSuchTagSet');
});
