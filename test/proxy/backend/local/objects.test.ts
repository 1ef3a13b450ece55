// Protects: what is stored is what comes back, headers included, and a body that is short, long, broken or wrong stores
// nothing and leaves no file.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { md5, md5Base64, openTestStore, pattern, streamed, type TestStore } from './harness.ts';
import { indexProblems, storeFiles } from './store-files.ts';

const bucket = 'objects';
let store: TestStore;
beforeAll(async () => {
  store = await openTestStore({ bucket, now: () => new Date('2024-02-29T23:59:59.987Z') });
});
afterAll(() => store[Symbol.asyncDispose]());

const SIZES = [0, 1, 4096, 65_535, 65_536, 65_537, 524_288, 524_289, 3_000_001];

test('bodies of every size come back whole, sent whole or in pieces', async () => {
  let ran = 0;
  for (const size of SIZES) {
    const body = pattern(size, size + 1);
    for (const sent of [body, streamed(body, 10_007)]) {
      const put = await store.put({ bucket, key: `size/${size}`, body: sent });
      expect([put.status, put.headers['etag']]).toEqual([200, `"${md5(body)}"`]);
      const got = await store.get({ bucket, key: `size/${size}` });
      expect(got.bytes.equals(body)).toBe(true);
      expect(got.headers).toMatchObject({
        etag: `"${md5(body)}"`,
        'content-length': String(size),
        'accept-ranges': 'bytes',
        'content-type': 'binary/octet-stream',
        'last-modified': 'Thu, 29 Feb 2024 23:59:59 GMT',
      });
      const head = await store.head({ bucket, key: `size/${size}` });
      const { 'x-amz-request-id': _a, 'x-amz-id-2': _b, ...described } = got.headers;
      expect([head.status, head.bytes.length]).toEqual([200, 0]);
      expect(head.headers).toMatchObject(described);
      ran++;
    }
  }
  expect(ran).toBe(2 * SIZES.length);
});

test('large bodies are files, small ones are not, and a replaced file goes', async () => {
  const before = storeFiles(store.directory).indexed.size;
  await store.put({ bucket, key: 'file', body: pattern(65_537) });
  expect(storeFiles(store.directory).indexed.size).toBe(before + 1);
  await store.put({ bucket, key: 'file', body: pattern(65_536) });
  // Closing waits for what is being unlinked, and unlinks nothing itself.
  await store.backend.close();
  const files = storeFiles(store.directory);
  await store.reopen();
  expect([files.indexed.size, files.garbage, files.owners]).toEqual([before, 0, []]);
  expect([...files.blobs].sort()).toEqual([...files.indexed.keys()].sort());
});

test('system headers and user metadata come back as they were', async () => {
  const headers = {
    'content-type': 'text/plain; charset=utf-8',
    'cache-control': 'max-age=60, private',
    'content-disposition': 'attachment; filename="a b.txt"',
    'content-encoding': 'gzip',
    'content-language': 'de-CH',
    expires: 'Thu, 01 Dec 2044 16:00:00 GMT',
    'x-amz-website-redirect-location': '/elsewhere',
    'x-amz-storage-class': 'STANDARD_IA',
    'x-amz-meta-md5chksum': 'AbC=',
    'x-amz-meta-empty': '',
  };
  await store.put({ bucket, key: 'headers', body: 'x', headers });
  const head = await store.head({ bucket, key: 'headers' });
  expect(head.headers).toMatchObject(headers);
  await store.put({ bucket, key: 'headers', body: 'x' });
  const bare = await store.head({ bucket, key: 'headers' });
  const kept = Object.keys(headers).filter((name) => name !== 'content-type' && name in bare.headers);
  expect(kept).toEqual([]);
});

test('response-* parameters override headers of GET', async () => {
  await store.put({ bucket, key: 'overrides', body: 'x', headers: { 'content-type': 'text/plain' } });
  const query = {
    'response-content-type': 'a/b',
    'response-content-disposition': 'inline',
    'response-cache-control': 'no-store',
    'response-content-encoding': 'br',
    'response-content-language': 'fr',
    'response-expires': 'never',
  };
  const got = await store.get({ bucket, key: 'overrides', query });
  for (const [name, value] of Object.entries(query)) expect(got.headers[name.slice('response-'.length)]).toBe(value);
});

test('limits of metadata, keys and storage classes', async () => {
  const meta = (bytes: number) => ({ 'x-amz-meta-abcd': 'v'.repeat(bytes - 4) });
  expect((await store.put({ bucket, key: 'meta', body: 'x', headers: meta(2048) })).status).toBe(200);
  expect((await store.put({ bucket, key: 'meta', body: 'x', headers: meta(2049) })).code).toBe('MetadataTooLarge');
  const longest = 'ü'.repeat(512);
  expect((await store.put({ bucket, key: longest, body: 'long' })).status).toBe(200);
  expect((await store.get({ bucket, key: longest })).text).toBe('long');
  expect((await store.put({ bucket, key: `${longest}a`, body: 'x' })).code).toBe('KeyTooLongError');
  expect((await store.get({ bucket, key: `${longest}a` })).code).toBe('KeyTooLongError');
  expect((await store.put({ bucket, key: '\ud800', body: 'x' })).code).toBe('InvalidURI');
  const headers = { 'x-amz-storage-class': 'GOLD' };
  expect((await store.put({ bucket, key: 'k', body: 'x', headers })).code).toBe('InvalidStorageClass');
});

test('Content-MD5 is checked for small and large bodies', async () => {
  for (const size of [10, 100_000]) {
    const body = pattern(size);
    const right = { 'content-md5': md5Base64(body) };
    const wrong = { 'content-md5': md5Base64('something else') };
    expect((await store.put({ bucket, key: `md5-${size}`, body, headers: wrong })).code).toBe('BadDigest');
    expect((await store.head({ bucket, key: `md5-${size}` })).status).toBe(404);
    expect((await store.put({ bucket, key: `md5-${size}`, body, headers: right })).status).toBe(200);
    for (const digest of ['', 'abc', md5(body), `${md5Base64(body)}=`]) {
      const answer = await store.put({ bucket, key: `md5-${size}`, body, headers: { 'content-md5': digest } });
      expect([digest, answer.code]).toEqual([digest, 'InvalidDigest']);
    }
  }
});

async function* failing(bytes: Buffer, error: Error): AsyncGenerator<Buffer> {
  yield bytes;
  throw error;
}

async function* ending(...parts: Buffer[]): AsyncGenerator<Buffer> {
  yield* parts;
}

test('a body that throws, ends short or runs over stores nothing and leaves no file', async () => {
  let ran = 0;
  for (const length of [1000, 200_000]) {
    const key = `broken-${length}`;
    const half = pattern(length / 2);
    const error = new Error('the caller’s own');
    await expect(store.put({ bucket, key, body: { length, chunks: failing(half, error) } })).rejects.toBe(error);
    const short = await store.put({ bucket, key, body: { length, chunks: ending(half) } });
    expect([short.status, short.code]).toEqual([400, 'IncompleteBody']);
    const over = await store.put({ bucket, key, body: { length, chunks: ending(half, half, half) } });
    expect([over.status, over.code]).toEqual([400, 'IncompleteBody']);
    expect((await store.head({ bucket, key })).status).toBe(404);
    ran++;
  }
  expect(ran).toBe(2);
  const files = storeFiles(store.directory);
  expect([...files.blobs].sort()).toEqual([...files.indexed.keys()].sort());
});

test('a failed replacement leaves the old object as it was', async () => {
  const body = pattern(300_000, 9);
  await store.put({ bucket, key: 'kept', body });
  const chunks = failing(pattern(100_000), new Error('cut'));
  await expect(store.put({ bucket, key: 'kept', body: { length: 300_000, chunks } })).rejects.toThrow('cut');
  expect((await store.get({ bucket, key: 'kept' })).bytes.equals(body)).toBe(true);
});

test('an abort while the body hangs rejects with its reason and frees the source', async () => {
  for (const length of [1000, 200_000]) {
    const controller = new AbortController();
    let returned = 0;
    const chunks: AsyncIterable<Buffer> = {
      [Symbol.asyncIterator]: () => ({
        next: () => {
          queueMicrotask(() => controller.abort(new Error('gone')));
          return new Promise(() => undefined);
        },
        return: async () => {
          returned++;
          return { done: true, value: undefined };
        },
      }),
    };
    const put = store.put({ bucket, key: 'aborted', body: { length, chunks }, signal: controller.signal });
    await expect(put).rejects.toThrow('gone');
    expect(returned).toBe(1);
  }
  expect((await store.head({ bucket, key: 'aborted' })).status).toBe(404);
  const aborted = AbortSignal.abort(new Error('before'));
  await expect(store.put({ bucket, key: 'aborted', body: 'x', signal: aborted })).rejects.toThrow('before');
});

test('errors are S3’s documents; HEAD has none', async () => {
  const missing = await store.get({ bucket, key: 'no/such <key>&' });
  expect([missing.status, missing.code]).toEqual([404, 'NoSuchKey']);
  expect(missing.headers['content-type']).toBe('application/xml');
  expect(missing.xml.value('Resource')).toBe('/objects/no/such <key>&');
  expect(missing.xml.value('Key')).toBe('no/such <key>&');
  expect(missing.xml.value('RequestId')).toBe(missing.headers['x-amz-request-id']);
  const head = await store.head({ bucket, key: 'no/such' });
  expect([head.status, head.bytes.length]).toEqual([404, 0]);
});

test('the directory is private and nothing is left pending', async () => {
  await store.reopen();
  const files = storeFiles(store.directory);
  expect(files.pending).toEqual([]);
  expect(files.garbage).toBe(0);
  expect(files.owners).toHaveLength(1);
  expect(indexProblems(store.directory)).toEqual([]);
  expect(readdirSync(join(store.directory, 'pending'))).toEqual(files.owners);
});

test('a closed store answers nothing', async () => {
  const other = await openTestStore({ bucket: 'closing' });
  await other.backend.close();
  await expect(other.get({ bucket: 'closing' })).rejects.toMatchObject({ code: 'BACKEND_UNAVAILABLE' });
  await other[Symbol.asyncDispose]();
});
