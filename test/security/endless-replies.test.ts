/**
 * A store that never stops sending. Whatever it was asked for, the proxy takes what it can use and lets go of the rest: the
 * client has its answer, and the connection to the store is closed, so that no such answer holds memory or a socket for good. Nor
 * does one that cannot be understood.
 */
import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { sharedBench } from '../helpers/bench.ts';
import { type Header, objectPath, type RawRequest } from '../helpers/raw-client.ts';

const small = randomBytes(10_000);
const large = randomBytes(3 * 1024 * 1024);

const bench = sharedBench();
beforeAll(async () => {
  await bench.send({ method: 'PUT', path: objectPath(bench.bucket, 'small'), body: small });
  await bench.send({ method: 'PUT', path: objectPath(bench.bucket, 'large'), body: large });
});
afterEach(() => {
  bench.backend.intercept = (request, next) => next(request);
});

const get = (key: string, ...headers: Header[]): RawRequest => ({
  method: 'GET',
  path: objectPath(bench.bucket, key),
  headers,
});

/** From now on every answer goes on for ever, a partial one without a length, under `status` or its own. */
function endless(o: { status?: number } = {}): void {
  bench.backend.intercept = async (request, next) => {
    const { status, headers, body } = await next(request);
    if (request.method === 'HEAD' || request.bucket !== bench.bucket) return { status, headers, body };
    async function* forever(): AsyncGenerator<Buffer> {
      if (o.status === undefined) yield* body;
      body.destroy();
      for (;;) yield Buffer.alloc(64 * 1024);
    }
    const { 'content-length': _, ...rest } = headers;
    const kept = status === 206 ? rest : headers;
    return { status: o.status ?? status, headers: kept, body: Readable.from(forever(), { objectMode: false }) };
  };
}

const READS: readonly (readonly [name: string, request: () => RawRequest, wanted: Buffer])[] = [
  ['a range of a small object', () => get('small', ['range', 'bytes=5-99']), small.subarray(5, 100)],
  [
    'a range of a large object',
    () => get('large', ['range', 'bytes=70000-2000000']),
    large.subarray(70_000, 2_000_001),
  ],
  ['the end of a large object', () => get('large', ['range', 'bytes=-100000']), large.subarray(-100_000)],
  ['all of a large object', () => get('large'), large],
];

describe('the client has what it asked for, and the rest is let go of, when the store does not end', () => {
  test.each(READS)('%s', async (_, request, wanted) => {
    // Whatever has to be known of it: this is about the bytes.
    for (const warm of ['small', 'large']) await bench.send(get(warm));
    endless();
    const reply = await bench.send(request());
    expect([reply.status, reply.cut, reply.body.equals(wanted)]).toEqual([wanted === large ? 200 : 206, false, true]);
    await expect.poll(() => bench.backend.openBodies).toBe(0);
  });
});

describe('the client is told of a store that cannot be used, when what does not end is', () => {
  test.each<[name: string, request: () => RawRequest, status?: number]>([
    ['all of a small object', () => get('small')],
    ['a page of a listing', () => ({ method: 'GET', path: `/${bench.bucket}`, query: 'list-type=2' })],
    ['a page of versions', () => ({ method: 'GET', path: `/${bench.bucket}`, query: 'versions' })],
    ["a bucket's configuration", () => ({ method: 'GET', path: `/${bench.bucket}`, query: 'versioning' })],
    ['an error document', () => get('large'), 500],
  ])('%s', async (_, request, status) => {
    endless(status === undefined ? {} : { status });
    const reply = await bench.send(request());
    expect([reply.status, reply.code]).toEqual([503, 'ServiceUnavailable']);
    await expect.poll(() => bench.backend.openBodies).toBe(0);
  });
});

test.each(['etag', 'last-modified'])(
  'answers without %s are dropped, and their connections let go of',
  async (name) => {
    const requests = [() => get('small'), ...READS.map(([, request]) => request)];
    // A HEAD says enough: what misses it is the answer with the body.
    bench.backend.intercept = async (request, next) => {
      const response = await next(request);
      if (request.method === 'HEAD') return response;
      return { ...response, headers: { ...response.headers, [name]: undefined } as unknown as Record<string, string> };
    };
    for (const request of requests) {
      expect((await bench.send(request())).code).toBe('ServiceUnavailable');
      await expect.poll(() => bench.backend.openBodies).toBe(0);
    }
    expect(requests).toHaveLength(1 + READS.length);
  },
);
