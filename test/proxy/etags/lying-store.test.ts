/**
 * Protects: what a store that lies gains where a bucket has opaque ETags, and no more (SECURITY.md, "Opaque ETags"). It may tell any
 * size in a listing, and any ETag anywhere, since both are its word; a GET or HEAD still tells the authenticated size, and no byte
 * that was altered, cut or exchanged is given out. In md5 mode it gains neither.
 */
import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readBody } from '../../../proxy/backend/read-body.ts';
import { setBucketRecord } from '../../../proxy/keyring/buckets/bucket-admin.ts';
import type { EtagMode } from '../../../proxy/object/etags.ts';
import { type Bench, openBench } from '../../helpers/bench.ts';
import { MiB } from '../../helpers/bytes.ts';
import { objectPath } from '../../helpers/raw-client.ts';
import { storeDirectly, storedObject } from '../../helpers/stored.ts';
import { beginUpload, MIN_PART, outcome } from '../../helpers/uploads.ts';
import { etagOf, listed, ok, put, SOURCE } from './harness.ts';

let bench: Bench;
let clock = Date.now();
beforeAll(async () => {
  bench = await openBench({ config: { legacy: { kind: 'deny' } }, now: () => new Date(clock) });
});
afterAll(() => bench.close());

async function inMode(etags: EtagMode): Promise<void> {
  bench.backend.intercept = (request, next) => next(request);
  const { state, sealKeys } = bench.proxy;
  const deps = { state, sealKeys, record: () => {}, now: () => new Date(clock) };
  await setBucketRecord(deps, bench.bucket, { etags, replaceDamaged: false }, AbortSignal.timeout(30_000));
  clock += 61_000;
}

const read = (key: string, method = 'GET') => bench.send({ method, path: objectPath(bench.bucket, key) });

/** Every size of a listing becomes that of other sealed bytes, and every ETag another one. */
function lieInListings(size: number): void {
  bench.backend.intercept = async (request, next) => {
    const response = await next(request);
    if (request.key !== undefined || request.bucket !== bench.bucket) return response;
    const page = (await readBody(response, { maxBytes: MiB })).toString();
    const text = page.replace(/<Size>\d+/g, `<Size>${size}`).replace(/<ETag>[^<]*/g, '<ETag>&quot;lie&quot;');
    const body = Buffer.from(text);
    return {
      ...response,
      headers: { ...response.headers, 'content-length': String(body.length) },
      body: Readable.from([body]),
    };
  };
}

describe('a listing with other sizes and ETags', () => {
  it('is believed in opaque mode, while HEAD and GET tell what is authenticated', async () => {
    await inMode('opaque');
    await ok(put(bench, 'a', SOURCE.subarray(0, 1000)));
    lieInListings(64 + 777);
    expect((await listed(bench, 'list-type=2')).get('a')).toEqual({ etag: '"lie-1"', size: 777 });
    expect(Number((await ok(read('a', 'HEAD'))).headers['content-length'])).toBe(1000);
    expect((await ok(read('a'))).body.equals(SOURCE.subarray(0, 1000))).toBe(true);
  });

  it('is found out in md5 mode', async () => {
    await inMode('md5');
    const etag = etagOf(await ok(put(bench, 'b', SOURCE.subarray(0, 1000))));
    lieInListings(64 + 777);
    expect((await listed(bench, 'list-type=2&prefix=b')).get('b')).toEqual({ etag, size: 1000 });
  });
});

describe('another ETag of an object', () => {
  const lie = () => {
    bench.backend.intercept = async (request, next) => {
      const response = await next(request);
      if (request.key === undefined || response.headers['etag'] === undefined) return response;
      return { ...response, headers: { ...response.headers, etag: '"lie"' } };
    };
  };

  it('is told in opaque mode, and in md5 mode is not', async () => {
    await inMode('md5');
    const digest = etagOf(await ok(put(bench, 'c', SOURCE.subarray(0, 1000))));
    lie();
    expect(etagOf(await ok(read('c', 'HEAD')))).toBe(digest);
    await inMode('opaque');
    lie();
    const told = await ok(read('c'));
    expect([etagOf(told), told.body.equals(SOURCE.subarray(0, 1000))]).toEqual(['"lie-1"', true]);
  });

  it('an unchanged ETag may hide that an object is another: of the tenant, older, whole, and of the same name', async () => {
    await inMode('opaque');
    const etag = etagOf(await ok(put(bench, 'd', SOURCE.subarray(0, 1000))));
    const { body, metadata } = await storedObject(bench.backend.inner, bench.bucket, 'd');
    await ok(put(bench, 'd', SOURCE.subarray(5, 505)));
    await storeDirectly(bench.backend.inner, { bucket: bench.bucket, key: 'd', body, metadata });
    const path = objectPath(bench.bucket, 'd');
    expect((await bench.send({ method: 'GET', path, headers: [['if-none-match', etag]] })).status).toBe(304);
    expect((await ok(read('d'))).body.equals(SOURCE.subarray(0, 1000))).toBe(true);
  });
});

describe('altered bytes', () => {
  it.each([1000, 2 * MiB])('of an object of %d bytes are refused in opaque mode too', async (size) => {
    await inMode('opaque');
    await ok(put(bench, 'e', SOURCE.subarray(0, size)));
    const { body, metadata } = await storedObject(bench.backend.inner, bench.bucket, 'e');
    const altered = Buffer.from(body);
    altered.writeUInt8(altered.readUInt8(100) ^ 1, 100);
    for (const [stored, status] of [
      [altered, 500],
      [body.subarray(0, -1), 500],
      [Buffer.concat([body, Buffer.alloc(1)]), 500],
    ] as const) {
      await storeDirectly(bench.backend.inner, { bucket: bench.bucket, key: 'e', body: stored, metadata });
      const reply = await read('e').catch(() => ({ status }));
      expect(reply.status).toBe(status);
    }
  });

  it('of a part under the ETag that the client was given: the object does not open', async () => {
    await inMode('opaque');
    const begun = await beginUpload(bench, 'f');
    const first = etagOf(await ok(begun.part(1, SOURCE.subarray(0, MIN_PART))));
    const last = etagOf(await ok(begun.part(2, SOURCE.subarray(0, 9))));
    // The store exchanges the part for other bytes of the same length, and goes on telling the same ETag.
    bench.backend.intercept = async (request, next) => {
      if (request.method !== 'POST' || request.body === undefined) return next(request);
      const upload = Object.fromEntries(request.query ?? []);
      const other = await bench.backend.inner.send({
        ...request,
        method: 'PUT',
        query: [
          ['partNumber', '1'],
          ['uploadId', upload['uploadId'] ?? ''],
        ],
        body: Buffer.alloc(MIN_PART + 48 + 16 * 80, 1),
      });
      other.body.resume();
      const exchanged = String(other.headers['etag']);
      const text = Buffer.isBuffer(request.body) ? request.body.toString() : '';
      const body = Buffer.from(
        text.replace(/(<PartNumber>1<\/PartNumber><ETag>)[^<]*/, `$1${exchanged.replaceAll('"', '&quot;')}`),
      );
      return next({ ...request, body });
    };
    const done = await begun.complete([
      { number: 1, etag: first },
      { number: 2, etag: last },
    ]);
    expect(outcome(done)).toBe('200');
    bench.backend.intercept = (request, next) => next(request);
    const reply = await read('f').catch(() => ({ status: 500 }));
    expect(reply.status).toBe(500);
  });
});
