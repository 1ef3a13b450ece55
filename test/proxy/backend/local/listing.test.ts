// Protects: listings as S3 writes them: fields, paging, encoding, agreement with HEAD, and seeking past common prefixes.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { walk } from '../../../../proxy/backend/local/list-walk.ts';
import { md5, openTestStore, type TestStore } from './harness.ts';

const bucket = 'listing';
const KEYS = ['a b+c', 'a/1', 'a/2', 'a/b/3', 'b', 'b/', 'b//x', 'ü', '😀', '\u0001ctl', '\uffee'];
let store: TestStore;
beforeAll(async () => {
  store = await openTestStore({ bucket, now: () => new Date('2024-05-06T07:08:09.750Z') });
  for (const key of KEYS) await store.put({ bucket, key, body: key });
});
afterAll(() => store[Symbol.asyncDispose]());

const list = (query: Record<string, string>) => store.get({ bucket, query: { 'list-type': '2', ...query } });
const keysOf = (xml: { children(name: string): readonly { value(name: string): string | undefined }[] }) =>
  xml.children('Contents').map((row) => row.value('Key') ?? '');
const prefixesOf = (xml: Parameters<typeof keysOf>[0]) =>
  xml.children('CommonPrefixes').map((row) => row.value('Prefix') ?? '');

test('keys come in the order of their UTF-8 bytes', async () => {
  const sorted = [...KEYS].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  expect(keysOf((await list({})).xml)).toEqual(sorted);
  // UTF-16 order would put the emoji before U+FFEE.
  expect(sorted.indexOf('😀')).toBeGreaterThan(sorted.indexOf('\uffee'));
});

test('a row agrees with HEAD', async () => {
  const { xml } = await list({ prefix: 'ü', 'fetch-owner': 'true' });
  const [row] = xml.children('Contents');
  const head = await store.head({ bucket, key: 'ü' });
  expect(row?.value('ETag')).toBe(head.headers['etag']);
  expect(row?.value('ETag')).toBe(`"${md5('ü')}"`);
  expect(row?.value('Size')).toBe(head.headers['content-length']);
  expect(row?.value('LastModified')).toBe('2024-05-06T07:08:09.000Z');
  expect(Date.parse(row?.value('LastModified') ?? '')).toBe(Date.parse(head.headers['last-modified'] ?? ''));
  expect(row?.value('StorageClass')).toBe('STANDARD');
  expect(row?.child('Owner')?.value('ID')).toBeTruthy();
});

test('the owner is listed on request, and always in version 1', async () => {
  const owned = (xml: Parameters<typeof keysOf>[0]) => xml.children('Contents').length;
  const v2 = await list({});
  expect(v2.xml.children('Contents').filter((row) => row.child('Owner') !== undefined)).toHaveLength(0);
  const v1 = await store.get({ bucket });
  expect(v1.xml.children('Contents').filter((row) => row.child('Owner') !== undefined)).toHaveLength(owned(v1.xml));
});

test('prefix and delimiter', async () => {
  const cases: readonly (readonly [Record<string, string>, readonly string[], readonly string[]])[] = [
    [{ delimiter: '/' }, ['\u0001ctl', 'a b+c', 'b', 'ü', '\uffee', '😀'], ['a/', 'b/']],
    [{ delimiter: '/', prefix: 'a/' }, ['a/1', 'a/2'], ['a/b/']],
    [{ delimiter: '/', prefix: 'b/' }, ['b/'], ['b//']],
    [{ delimiter: '/', prefix: 'b' }, ['b'], ['b/']],
    [{ prefix: 'a/' }, ['a/1', 'a/2', 'a/b/3'], []],
    [{ prefix: 'nothing' }, [], []],
    [{ delimiter: '//' }, KEYS.filter((key) => key !== 'b//x'), ['b//']],
    [{ delimiter: ' b' }, KEYS.filter((key) => key !== 'a b+c'), ['a b']],
  ];
  for (const [query, keys, prefixes] of cases) {
    const { xml } = await list(query);
    expect([query, new Set(keysOf(xml)), prefixesOf(xml)]).toEqual([query, new Set(keys), prefixes]);
    expect(xml.value('KeyCount')).toBe(String(keys.length + prefixes.length));
    expect(xml.value('IsTruncated')).toBe('false');
  }
  expect(cases).toHaveLength(8);
});

test('max-keys: 0, exactly all, above 1,000, and not a number', async () => {
  const none = (await list({ 'max-keys': '0' })).xml;
  expect([none.value('KeyCount'), none.value('IsTruncated')]).toEqual(['0', 'false']);
  const all = (await list({ 'max-keys': String(KEYS.length) })).xml;
  expect([all.value('IsTruncated'), all.value('NextContinuationToken')]).toEqual(['false', undefined]);
  const less = (await list({ 'max-keys': String(KEYS.length - 1) })).xml;
  expect(less.value('IsTruncated')).toBe('true');
  expect((await list({ 'max-keys': '5000' })).xml.value('MaxKeys')).toBe('1000');
  for (const maxKeys of ['-1', 'x', '1.5', '99999999999']) {
    expect((await list({ 'max-keys': maxKeys })).code).toBe('InvalidArgument');
  }
});

test('start-after yields to the continuation token; a made-up token is refused', async () => {
  const first = (await list({ 'start-after': 'a/1', 'max-keys': '1' })).xml;
  expect(keysOf(first)).toEqual(['a/2']);
  const token = first.value('NextContinuationToken') ?? '';
  expect(keysOf((await list({ 'start-after': 'ü', 'continuation-token': token, 'max-keys': '1' })).xml)).toEqual([
    'a/b/3',
  ]);
  for (const bad of ['', 'x', `${token}=`, 'a/1']) {
    expect((await list({ 'continuation-token': bad })).code).toBe('InvalidArgument');
  }
});

test('version 1: NextMarker with a delimiter only, and a common prefix as marker', async () => {
  const page = (query: Record<string, string>) => store.get({ bucket, query });
  const first = (await page({ delimiter: '/', 'max-keys': '3' })).xml;
  expect([keysOf(first), prefixesOf(first), first.value('NextMarker')]).toEqual([['\u0001ctl', 'a b+c'], ['a/'], 'a/']);
  const second = (await page({ delimiter: '/', 'max-keys': '3', marker: 'a/' })).xml;
  expect([keysOf(second), prefixesOf(second)]).toEqual([['b', 'ü'], ['b/']]);
  const plain = (await page({ 'max-keys': '3' })).xml;
  expect([plain.value('IsTruncated'), plain.value('NextMarker')]).toEqual(['true', undefined]);
});

test('encoding-type=url encodes every name, and only on request', async () => {
  const { xml } = await list({ 'encoding-type': 'url', delimiter: '/', 'start-after': ' ', prefix: '' });
  expect(keysOf(xml)).toEqual(['a%20b%2Bc', 'b', '%C3%BC', '%EF%BF%AE', '%F0%9F%98%80']);
  expect([xml.value('EncodingType'), xml.value('StartAfter'), xml.value('Delimiter')]).toEqual(['url', '%20', '/']);
  expect((await list({ 'encoding-type': 'base64' })).code).toBe('InvalidArgument');
  expect((await list({})).xml.value('EncodingType')).toBeUndefined();
});

test('a page of common prefixes costs one seek each, whatever lies beneath', () => {
  const keys = Array.from({ length: 20_000 }, (_, i) => Buffer.from(`p${String(i % 20).padStart(2, '0')}/${i}`));
  keys.sort(Buffer.compare);
  let seeks = 0;
  let stepped = 0;
  const page = walk({
    seek: function* (from) {
      seeks++;
      for (const key of keys) {
        if (Buffer.compare(key, from) < 0) continue;
        stepped++;
        yield { key };
      }
    },
    prefix: Buffer.from('p'),
    delimiter: Buffer.from('/'),
    from: Buffer.from('p'),
    limit: 1000,
  });
  expect(page.entries).toHaveLength(20);
  expect([seeks, stepped]).toEqual([21, 20]);
});
