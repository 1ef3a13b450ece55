/**
 * Protects: a range of an object that was just looked at costs one request, and never shows anything of a version, or of
 * metadata, that is no longer there; whatever another replica did in between.
 */
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { type Bench, openBench } from '../../helpers/bench.ts';
import { type Header, objectPath, type RawReply } from '../../helpers/raw-client.ts';
import { openReplica, type Replica } from '../../helpers/uploads.ts';

const KEY = 'a b+ü%.bin';
const SIZES = [1, 100_000, 1_500_000] as const;
let bench: Bench;
let other: Replica;
let path: string;

beforeAll(async () => {
  bench = await openBench();
  other = await openReplica(bench);
  path = objectPath(bench.bucket, KEY);
});
afterAll(async () => {
  await other.proxy.close();
  await bench.close();
});
beforeEach(() => {
  bench.backend.intercept = (request, next) => next(request);
});

const get = (range: string, headers: readonly Header[] = []): Promise<RawReply> =>
  bench.send({ method: 'GET', path, headers: [['range', `bytes=${range}`], ...headers] });

async function put(body: Buffer, headers: readonly Header[] = []): Promise<void> {
  const { status } = await other.send({ method: 'PUT', path, body, headers });
  expect(status).toBe(200);
}

/** Stores and looks at it, so that it is known. */
async function known(size: number): Promise<Buffer> {
  const body = randomBytes(size);
  await put(body, [['x-amz-meta-color', 'blue']]);
  expect((await get('0-')).body.equals(body)).toBe(true);
  return body;
}

test.each(SIZES)('%i bytes: one request, the right bytes at every edge', async (size) => {
  const body = await known(size);
  const edges = [0, 1, 65_535, 65_536, 65_537, size - 1].filter((at) => at >= 0 && at < size);
  for (const start of edges) {
    const { result, requests } = await bench.watch(() => get(`${start}-${start + 10}`));
    expect(result.body.equals(body.subarray(start, start + 11))).toBe(true);
    expect(result.headers['content-range']).toBe(`bytes ${start}-${Math.min(start + 10, size - 1)}/${size}`);
    expect([result.status, result.headers['x-amz-meta-color']]).toEqual([206, 'blue']);
    expect(requests.map(({ method }) => method)).toEqual(['GET']);
  }
  expect(edges.length).toBeGreaterThan(0);
});

test.each(SIZES)('%i bytes: replaced by another replica, by one of any size', async (size) => {
  for (const next of SIZES) {
    await known(size);
    const body = randomBytes(next);
    await put(body);
    const reply = await get('0-');
    expect([reply.status, reply.headers['x-amz-meta-color']]).toEqual([206, undefined]);
    expect(reply.body.equals(body)).toBe(true);
  }
});

test.each(SIZES)('%i bytes: metadata replaced by a copy onto itself are the new ones', async (size) => {
  const body = await known(size);
  const headers: Header[] = [
    ['x-amz-copy-source', path.slice(1)],
    ['x-amz-metadata-directive', 'REPLACE'],
    ['x-amz-meta-color', 'red'],
  ];
  expect((await other.send({ method: 'PUT', path, headers })).status).toBe(200);
  const reply = await get('0-0');
  expect([reply.status, reply.headers['x-amz-meta-color']]).toEqual([206, 'red']);
  expect(reply.body.equals(body.subarray(0, 1))).toBe(true);
});

test('deleted by another replica', async () => {
  await known(100_000);
  expect((await other.send({ method: 'DELETE', path })).status).toBe(204);
  const reply = await get('0-');
  expect([reply.status, reply.code]).toEqual([404, 'NoSuchKey']);
});

test('conditions and ranges are judged by what is there now', async () => {
  await known(100_000);
  const { headers } = await get('0-');
  const old = String(headers['etag']);
  const body = randomBytes(200_000);
  await put(body);
  expect((await get('0-', [['if-match', old]])).status).toBe(412);
  await known(100_000);
  await put(body);
  const beyond = await get('150000-');
  expect([beyond.status, beyond.body.equals(body.subarray(150_000))]).toEqual([206, true]);
  await known(200_000);
  await put(randomBytes(10));
  expect((await get('150000-')).status).toBe(416);
});

test('a store that ignores If-Match on reads shows nothing of the other version', async () => {
  for (const size of SIZES) {
    await known(size);
    const body = randomBytes(size);
    await put(body);
    bench.backend.intercept = (request, next) => {
      const { 'if-match': _, ...headers } = request.headers ?? {};
      return next(request.method === 'GET' ? { ...request, headers } : request);
    };
    expect((await get('0-')).body.equals(body)).toBe(true);
  }
});

test('another tenant learns nothing from what is known', async () => {
  await known(100_000);
  const stranger = await bench.proxy.createTenant();
  const reply = await bench.send({ method: 'GET', path, headers: [['range', 'bytes=0-0']] }, stranger);
  expect([reply.status, reply.code]).toEqual([403, 'AccessDenied']);
});
