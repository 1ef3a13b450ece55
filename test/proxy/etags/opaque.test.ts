/**
 * Protects: in opaque mode every reply and every listing tells one ETag of an object, the store's own, which no client takes for
 * an MD5; parts are named by what UploadPart and ListParts told; no MD5 is kept that nobody asked for; and an object keeps a
 * usable ETag when the mode of its bucket changes.
 */
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readBody } from '../../../proxy/backend/read-body.ts';
import { setBucketRecord } from '../../../proxy/keyring/buckets/bucket-admin.ts';
import type { EtagMode } from '../../../proxy/object/etags.ts';
import { type Bench, openBench } from '../../helpers/bench.ts';
import { MiB } from '../../helpers/bytes.ts';
import { type Header, objectPath } from '../../helpers/raw-client.ts';
import { askStore } from '../../helpers/stored.ts';
import { beginUpload, elements, MIN_PART, openReplica, outcome } from '../../helpers/uploads.ts';
import { etagOf, everyKind, LISTINGS, listed, OPAQUE, ok, put, SOURCE, upload } from './harness.ts';

const MINUTE_MS = 61_000;
let bench: Bench;
let clock = Date.now();

beforeAll(async () => {
  const now = () => new Date(clock);
  bench = await openBench({ config: { etags: 'opaque', legacy: { kind: 'deny' } }, now });
});
afterAll(() => bench.close());

const head = (key: string, headers: readonly Header[] = []) =>
  bench.send({ method: 'HEAD', path: objectPath(bench.bucket, key), headers });
const md5 = (data: Buffer) => `"${createHash('md5').update(data).digest('hex')}"`;

/** By the operator; followed when the record that is remembered is a minute old. */
async function setMode(etags: EtagMode): Promise<void> {
  const { state, sealKeys } = bench.proxy;
  const deps = { state, sealKeys, record: () => {}, now: () => new Date(clock) };
  await setBucketRecord(deps, bench.bucket, { etags, replaceDamaged: false }, AbortSignal.timeout(30_000));
  clock += MINUTE_MS;
}

describe('an object', () => {
  it('of every kind has one ETag everywhere, that of the store', async () => {
    const made = await everyKind(bench);
    const pages = await Promise.all(LISTINGS.map((query) => listed(bench, query)));
    for (const [key, etag] of made) {
      const path = objectPath(bench.bucket, key);
      const { response } = await askStore(bench.backend.inner, { method: 'HEAD', bucket: bench.bucket, key });
      const stored = String(response.headers['etag']).replaceAll('"', '');
      const told = [etag, etagOf(await ok(head(key)))];
      const get = await ok(bench.send({ method: 'GET', path }));
      told.push(etagOf(get));
      const range: Header = ['range', 'bytes=0-0'];
      if (get.body.length > 0) told.push(etagOf(await ok(bench.send({ method: 'GET', path, headers: [range] }))));
      const headers: Header[] = [['x-amz-object-attributes', 'ETag']];
      const attributes = await ok(bench.send({ method: 'GET', path, query: 'attributes', headers }));
      told.push(`"${elements(attributes, 'ETag')[0]}"`);
      for (const page of pages) told.push(page.get(key)?.etag ?? 'not listed');
      expect([key, [...new Set(told)]]).toEqual([key, [`"${stored.includes('-') ? stored : `${stored}-1`}"`]]);
      expect(etag).toMatch(OPAQUE);
      expect(etag).not.toBe(md5(get.body));
    }
    expect(made.size).toBe(19);
  });

  it('never finishes as one part at the store, unless its stored length says that it has to be looked up', async () => {
    const { plainBytesOf } = await import('../../../crypto/stored-length.ts');
    for (const key of (await listed(bench, 'list-type=2')).keys()) {
      const { response } = await askStore(bench.backend.inner, { method: 'HEAD', bucket: bench.bucket, key });
      const isOnePart = String(response.headers['etag']).endsWith('-1"');
      const told = plainBytesOf(Number(response.headers['content-length']));
      expect([key, isOnePart && told !== undefined]).toEqual([key, false]);
    }
  });

  it('shows no checksums in listings, and all of them elsewhere', async () => {
    await ok(put(bench, 'checksum', SOURCE.subarray(0, 9), [['x-amz-checksum-algorithm', 'CRC32C']]));
    const reply = await ok(
      bench.send({ method: 'GET', path: `/${bench.bucket}`, query: 'list-type=2&prefix=checksum' }),
    );
    expect([elements(reply, 'Size'), elements(reply, 'ChecksumAlgorithm'), elements(reply, 'ChecksumType')]).toEqual([
      ['9'],
      [],
      [],
    ]);
    const { headers } = await ok(head('checksum', [['x-amz-checksum-mode', 'ENABLED']]));
    expect(headers['x-amz-checksum-crc32c']).toMatch(/=$/);
  });
});

describe('parts', () => {
  it('are completed by the ETags of UploadPart, UploadPartCopy and ListParts, which agree; staged ones too', async () => {
    await ok(put(bench, 'source', SOURCE.subarray(0, 6 * MiB)));
    const begun = await beginUpload(bench, 'upload');
    const first = etagOf(await ok(begun.part(1, SOURCE.subarray(0, MIN_PART))));
    const copied = await ok(begun.copy(2, `${bench.bucket}/source`));
    const last = etagOf(await ok(begun.part(3, SOURCE.subarray(0, 100))));
    const told = [first, elements(copied, 'ETag')[0] ?? '', last];
    for (const etag of told) expect(etag).toMatch(OPAQUE);
    const listedParts = await ok(begun.list());
    expect(elements(listedParts, 'ETag')).toEqual(told);
    expect(elements(listedParts, 'Size')).toEqual([MIN_PART, 6 * MiB, 100].map(String));
    const wrong = await begun.complete([{ number: 1, etag: told[1] ?? '' }]);
    expect(outcome(wrong)).toBe('400 InvalidPart');
    const rows = told.map((etag, at) => ({ number: at + 1, etag }));
    const done = await ok(begun.complete(rows));
    const again = await ok(begun.complete(rows));
    expect(etagOf(again)).toBe(etagOf(done));
    expect(etagOf(await head('upload'))).toBe(etagOf(done));
    const whole = await ok(begun.get());
    const parts = [SOURCE.subarray(0, MIN_PART), SOURCE.subarray(0, 6 * MiB), SOURCE.subarray(0, 100)];
    expect(whole.body.equals(Buffer.concat(parts))).toBe(true);
  });

  it('that were replaced do not count by their old ETag', async () => {
    const begun = await beginUpload(bench, 'replaced');
    for (const size of [MIN_PART, 100]) {
      const old = etagOf(await ok(begun.part(1, SOURCE.subarray(0, size))));
      const now = etagOf(await ok(begun.part(1, SOURCE.subarray(0, size))));
      expect(now).not.toBe(old);
      expect(outcome(await begun.complete([{ number: 1, etag: old }]))).toBe('400 InvalidPart');
    }
  });
});

it('a store that leaves the ETag out of its answers is asked for it, and the write counts', async () => {
  bench.backend.intercept = async (request, next) => {
    const response = await next(request);
    if (request.method === 'HEAD') return response;
    const { etag: _, ...headers } = response.headers;
    if (request.method === 'PUT' && request.query?.length !== 2) return { ...response, headers };
    if (request.method !== 'POST') return response;
    const body = Buffer.from((await readBody(response, { maxBytes: MiB })).toString().replace(/<ETag>.*<\/ETag>/, ''));
    return { ...response, headers: { ...headers, 'content-length': String(body.length) }, body: Readable.from([body]) };
  };
  const told = [
    ['silent/put', etagOf(await ok(put(bench, 'silent/put', SOURCE.subarray(0, 9))))],
    ['silent/upload', etagOf(await upload(bench, 'silent/upload', [MIN_PART, 9]))],
  ];
  bench.backend.intercept = (request, next) => next(request);
  for (const [key = '', etag] of told) expect([key, etagOf(await ok(head(key)))]).toEqual([key, etag]);
});

describe('when the mode of a bucket changes', () => {
  it('objects show the other form, and those sealed without an MD5 stay dashed', async () => {
    const body = SOURCE.subarray(0, 5000);
    await setMode('opaque');
    const without = etagOf(await ok(put(bench, 'without', body)));
    const digest = createHash('md5').update(body).digest('base64');
    const promised = etagOf(await ok(put(bench, 'promised', body, [['content-md5', digest]])));
    const parts = etagOf(await upload(bench, 'without-parts', [MIN_PART, 7]));
    expect(promised).toMatch(OPAQUE);
    await setMode('md5');
    const withMd5 = etagOf(await ok(put(bench, 'with', body)));
    expect(withMd5).toBe(md5(body));
    const inMd5 = { without, promised: md5(body), 'without-parts': parts, with: md5(body) };
    for (const [key, etag] of Object.entries(inMd5)) expect([key, etagOf(await ok(head(key)))]).toEqual([key, etag]);
    for (const query of LISTINGS) {
      const page = await listed(bench, query);
      for (const [key, etag] of Object.entries(inMd5)) expect([key, page.get(key)?.etag]).toEqual([key, etag]);
    }
    await setMode('opaque');
    const inOpaque = etagOf(await ok(head('with')));
    expect(inOpaque).toMatch(OPAQUE);
    expect((await listed(bench, 'list-type=2')).get('with')?.etag).toBe(inOpaque);
    expect(etagOf(await ok(head('promised')))).toBe(promised);
  });

  it('a copy keeps the MD5 of its source, or the want of one', async () => {
    await setMode('md5');
    const copy = async (from: string) =>
      etagOf(
        await ok(put(bench, `copied-${from}`, Buffer.alloc(0), [['x-amz-copy-source', `${bench.bucket}/${from}`]])),
      );
    expect(await copy('with')).toBe(md5(SOURCE.subarray(0, 5000)));
    const dashed = await copy('without');
    expect(dashed).toMatch(OPAQUE);
    expect(etagOf(await ok(head('copied-without')))).toBe(dashed);
    await setMode('opaque');
  });

  it('an upload goes on: parts of either mode are named by either form', async () => {
    const begun = await beginUpload(bench, 'changed-upload');
    const opaque = etagOf(await ok(begun.part(1, SOURCE.subarray(0, MIN_PART))));
    await setMode('md5');
    const plain = etagOf(await ok(begun.part(2, SOURCE.subarray(0, 9))));
    expect([opaque, plain]).toEqual([expect.stringMatching(OPAQUE), md5(SOURCE.subarray(0, 9))]);
    expect(elements(await ok(begun.list()), 'ETag')).toEqual([opaque, plain]);
    const rows = [
      { number: 1, etag: opaque },
      { number: 2, etag: plain },
    ];
    expect(etagOf(await ok(begun.complete(rows)))).toMatch(OPAQUE);
    await setMode('opaque');
  });

  it('every replica follows within a minute, and the default counts for buckets without a record', async () => {
    const replica = await openReplica(bench);
    const path = objectPath(bench.bucket, 'with');
    // Its own default is md5; the record says opaque.
    expect(etagOf(await replica.send({ method: 'HEAD', path }))).toMatch(OPAQUE);
    const other = `${bench.bucket}-other`;
    await ok(replica.send({ method: 'PUT', path: `/${other}` }));
    expect(etagOf(await ok(replica.send({ method: 'PUT', path: objectPath(other, 'k'), body: 'x' })))).toBe(
      md5(Buffer.from('x')),
    );
    await replica.proxy.close();
  });
});
