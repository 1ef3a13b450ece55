// Protects: bodies of 5 GiB go in and come out in flat memory, and S3's limit is exactly there.
import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { openTestStore } from './harness.ts';

const SIZE = 5 * 1024 ** 3;
const CHUNK = Buffer.alloc(256 * 1024, 'sealgate');
/** Bytes of resident memory that the whole transfer may add: buffers, the index's cache and the collector's slack. */
const ALLOWED = 192 * 1024 ** 2;

test('5 GiB in and out, one byte more refused', async () => {
  await using store = await openTestStore({ bucket: 'large' });
  const hash = createHash('md5');
  const before = process.memoryUsage().rss;
  let peak = before;
  const sample = () => {
    peak = Math.max(peak, process.memoryUsage().rss);
  };
  async function* chunks(): AsyncGenerator<Buffer> {
    for (let at = 0; at < SIZE; at += CHUNK.length) {
      hash.update(CHUNK);
      if (at % (64 * CHUNK.length) === 0) sample();
      yield CHUNK;
    }
  }
  const put = await store.put({ bucket: 'large', key: 'k', body: { length: SIZE, chunks: chunks() } });
  const etag = `"${hash.digest('hex')}"`;
  expect([put.status, put.headers['etag']]).toEqual([200, etag]);
  const signal = new AbortController().signal;
  const got = await store.backend.send({ method: 'GET', bucket: 'large', key: 'k', signal });
  expect([got.headers['content-length'], got.headers['etag']]).toEqual([String(SIZE), etag]);
  const read = createHash('md5');
  let bytes = 0;
  for await (const chunk of got.body) {
    read.update(chunk as Buffer);
    bytes += (chunk as Buffer).length;
    sample();
  }
  expect([bytes, `"${read.digest('hex')}"`]).toEqual([SIZE, etag]);
  expect(peak - before).toBeLessThan(ALLOWED);
  const over = await store.put({ bucket: 'large', key: 'k', body: { length: SIZE + 1, chunks: chunks() } });
  expect(over.code).toBe('EntityTooLarge');
});
