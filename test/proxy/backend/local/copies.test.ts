// Protects: CopyObject shares data instead of moving it, follows its directives and conditions, and no copy is lost or
// changed when another one goes.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { md5, openTestStore, pattern, type TestStore } from './harness.ts';
import { indexProblems, storeFiles } from './store-files.ts';

const bucket = 'copies';
const BODY = pattern(300_000);
const HEADERS = { 'content-type': 'text/x', 'cache-control': 'no-cache', 'x-amz-meta-a': '1', 'x-amz-tagging': 't=1' };

let store: TestStore;
beforeAll(async () => {
  store = await openTestStore({ bucket });
  await store.put({ bucket: 'copies-other' });
});
afterAll(async () => {
  expect(indexProblems(store.directory)).toEqual([]);
  await store[Symbol.asyncDispose]();
});

const copy = (source: string, key: string, headers: Record<string, string> = {}) =>
  store.put({ bucket, key, headers: { 'x-amz-copy-source': source, ...headers } });

test('a copy shares the file, keeps headers and tags, and outlives its source', async () => {
  await store.put({ bucket, key: 'source', body: BODY, headers: HEADERS });
  const files = storeFiles(store.directory).indexed.size;
  const copied = await copy('/copies/source', 'copy');
  expect([copied.status, copied.xml.value('ETag')]).toEqual([200, `"${md5(BODY)}"`]);
  expect(storeFiles(store.directory).indexed.size).toBe(files);
  await store.delete({ bucket, key: 'source' });
  const got = await store.get({ bucket, key: 'copy' });
  expect(got.bytes.equals(BODY)).toBe(true);
  expect(got.headers).toMatchObject({ 'content-type': 'text/x', 'x-amz-meta-a': '1', 'x-amz-tagging-count': '1' });
  await store.delete({ bucket, key: 'copy' });
  await store.reopen();
  expect(storeFiles(store.directory).indexed.size).toBe(files - 1);
  expect(storeFiles(store.directory).blobs).toHaveLength(files - 1);
});

test('inline bodies are shared too', async () => {
  await store.put({ bucket, key: 'small', body: 'small' });
  const bodies = storeFiles(store.directory).bodies;
  await copy('copies/small', 'small-2');
  expect(storeFiles(store.directory).bodies).toBe(bodies);
  await store.put({ bucket, key: 'small', body: 'changed' });
  expect((await store.get({ bucket, key: 'small-2' })).text).toBe('small');
});

test('REPLACE of metadata and of tags, each alone', async () => {
  await store.put({ bucket, key: 'd', body: 'x', headers: HEADERS });
  const replaced = { 'content-type': 'text/y', 'x-amz-meta-b': '2', 'x-amz-tagging': 'u=1&v=2' };
  await copy('copies/d', 'd-meta', { 'x-amz-metadata-directive': 'REPLACE', ...replaced });
  const meta = (await store.head({ bucket, key: 'd-meta' })).headers;
  expect([meta['content-type'], meta['x-amz-meta-a'], meta['x-amz-meta-b'], meta['cache-control']]).toEqual([
    'text/y',
    undefined,
    '2',
    undefined,
  ]);
  expect(meta['x-amz-tagging-count']).toBe('1');
  await copy('copies/d', 'd-tags', { 'x-amz-tagging-directive': 'REPLACE', ...replaced });
  const tags = (await store.head({ bucket, key: 'd-tags' })).headers;
  expect([tags['content-type'], tags['x-amz-meta-a'], tags['x-amz-tagging-count']]).toEqual(['text/x', '1', '2']);
  expect((await copy('copies/d', 'e', { 'x-amz-metadata-directive': 'MERGE' })).code).toBe('InvalidArgument');
});

test('storage class and redirect are the request’s, never the source’s', async () => {
  const headers = { 'x-amz-storage-class': 'GLACIER_IR', 'x-amz-website-redirect-location': '/old' };
  await store.put({ bucket, key: 'class', body: 'x', headers });
  await copy('copies/class', 'class-2');
  const plain = (await store.head({ bucket, key: 'class-2' })).headers;
  expect([plain['x-amz-storage-class'], plain['x-amz-website-redirect-location']]).toEqual([undefined, undefined]);
  await copy('copies/class', 'class-3', {
    'x-amz-storage-class': 'STANDARD_IA',
    'x-amz-website-redirect-location': '/n',
  });
  expect((await store.head({ bucket, key: 'class-3' })).headers).toMatchObject({
    'x-amz-storage-class': 'STANDARD_IA',
    'x-amz-website-redirect-location': '/n',
  });
});

test('onto itself only with a change', async () => {
  await store.put({ bucket, key: 'self', body: BODY, headers: HEADERS });
  expect((await copy('copies/self', 'self')).code).toBe('InvalidRequest');
  const changed = await copy('copies/self', 'self', { 'x-amz-metadata-directive': 'REPLACE', 'x-amz-meta-new': '1' });
  expect(changed.status).toBe(200);
  const got = await store.get({ bucket, key: 'self' });
  expect([got.headers['x-amz-meta-new'], got.headers['etag']]).toEqual(['1', `"${md5(BODY)}"`]);
  expect(got.bytes.equals(BODY)).toBe(true);
});

test('source names are percent-encoded, versions included', async () => {
  const key = 'a b+ü%/?versionId=x//..';
  await store.put({ bucket: 'copies-other', key, body: 'odd' });
  const source = `copies-other/${encodeURIComponent(key)}`;
  for (const name of [source, `/${source}`, `/${source}?versionId=null`]) {
    expect((await copy(name, 'odd')).status).toBe(200);
    expect((await store.get({ bucket, key: 'odd' })).text).toBe('odd');
  }
  const cases: readonly (readonly [string, string])[] = [
    ['', 'InvalidArgument'],
    ['bucket-only', 'InvalidArgument'],
    ['/', 'InvalidArgument'],
    ['%zz/k', 'InvalidArgument'],
    ['copies/none', 'NoSuchKey'],
    ['none/none', 'NoSuchBucket'],
    [`copies/odd?versionId=${'A'.repeat(32)}`, 'NoSuchVersion'],
    ['copies/odd?versionId=bad', 'InvalidArgument'],
  ];
  for (const [name, code] of cases) expect([name, (await copy(name, 'odd-2')).code]).toEqual([name, code]);
  expect(cases).toHaveLength(8);
});

test('conditions on the source and on the destination', async () => {
  await store.put({ bucket, key: 'c', body: 'x' });
  const etag = `"${md5('x')}"`;
  const past = 'Wed, 01 Jan 2020 00:00:00 GMT';
  const future = 'Wed, 01 Jan 2120 00:00:00 GMT';
  const p = 'x-amz-copy-source-if-';
  const cases: readonly (readonly [Record<string, string>, number])[] = [
    [{ [`${p}match`]: etag }, 200],
    [{ [`${p}match`]: '"0"' }, 412],
    [{ [`${p}none-match`]: etag }, 412],
    [{ [`${p}none-match`]: '"0"' }, 200],
    [{ [`${p}modified-since`]: past }, 200],
    [{ [`${p}modified-since`]: future }, 412],
    [{ [`${p}unmodified-since`]: past }, 412],
    [{ [`${p}unmodified-since`]: future }, 200],
    [{ [`${p}match`]: etag, [`${p}unmodified-since`]: past }, 200],
    [{ [`${p}none-match`]: etag, [`${p}modified-since`]: past }, 412],
    [{ 'if-none-match': '*' }, 412],
    [{ 'if-match': etag }, 200],
    [{ 'if-match': '"0"' }, 412],
  ];
  await copy('copies/c', 'c-2');
  for (const [headers, status] of cases) {
    expect([headers, (await copy('copies/c', 'c-2', headers)).status]).toEqual([headers, status]);
  }
  expect(cases).toHaveLength(13);
  expect((await copy('copies/c', 'c-new', { 'if-match': etag })).status).toBe(404);
});

test('versions as sources, delete markers as none', async () => {
  const versioned = 'copies-versions';
  await store.put({ bucket: versioned });
  const enable = '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>';
  await store.put({ bucket: versioned, query: { versioning: '' }, body: enable });
  const first = (await store.put({ bucket: versioned, key: 'k', body: '1' })).headers['x-amz-version-id'] ?? '';
  await store.put({ bucket: versioned, key: 'k', body: '2' });
  const copied = await copy(`${versioned}/k?versionId=${first}`, 'v');
  expect(copied.headers['x-amz-copy-source-version-id']).toBe(first);
  expect((await store.get({ bucket, key: 'v' })).text).toBe('1');
  const restored = await store.put({
    bucket: versioned,
    key: 'k',
    headers: { 'x-amz-copy-source': `${versioned}/k?versionId=${first}` },
  });
  expect(restored.headers['x-amz-version-id']).not.toBe(first);
  expect((await store.get({ bucket: versioned, key: 'k' })).text).toBe('1');
  const marker = (await store.delete({ bucket: versioned, key: 'k' })).headers['x-amz-version-id'];
  expect((await copy(`${versioned}/k`, 'v')).code).toBe('NoSuchKey');
  expect((await copy(`${versioned}/k?versionId=${marker}`, 'v')).code).toBe('InvalidRequest');
});
