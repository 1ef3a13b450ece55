/**
 * What a client stores comes back byte for byte, under the size, ETag, headers, metadata and checksums that it would have on
 * S3, whichever way it asks (seen elsewhere: lost headers, ciphertext sizes in listings, digests of plaintext left behind).
 */

import { createHash, randomBytes } from 'node:crypto';
import {
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import { describe, expect, test } from 'vitest';
import { LOCATOR_MAGIC, PART_MAGIC } from '../../../crypto/layout.ts';
import type { Bench } from '../../helpers/bench.ts';
import { KiB, MiB } from '../../helpers/bytes.ts';
import { framed, type Header, objectPath } from '../../helpers/raw-client.ts';
import { ALGORITHMS, referenceChecksum } from '../../helpers/reference-checksums.ts';
import { storedObject } from '../../helpers/stored.ts';

const SIZES = [0, 1, 64 * KiB - 1, 64 * KiB, 64 * KiB + 1, MiB - 1, MiB, MiB + 1, 3 * MiB];

const md5 = (data: Buffer): string => createHash('md5').update(data).digest('hex');
const seconds = (date: Date | undefined): number => Math.floor((date?.getTime() ?? Number.NaN) / 1000);

export function roundTrips(bench: () => Bench): void {
  describe('bodies', () => sizes(bench));
  describe('headers and metadata', () => headers(bench));
  describe('checksums', () => checksums(bench));
}

function sizes(bench: () => Bench): void {
  test.each(SIZES)('%i bytes come back with one size and ETag everywhere', async (size) => {
    const { s3, bucket, backend } = bench();
    const at = { Bucket: bucket, Key: `sizes/${size}` };
    const body = randomBytes(size);
    const put = await s3.send(new PutObjectCommand({ ...at, Body: body }));
    expect(put.ETag).toBe(`"${md5(body)}"`);
    const got = await s3.send(new GetObjectCommand(at));
    expect(Buffer.from((await got.Body?.transformToByteArray()) ?? []).equals(body)).toBe(true);
    const head = await s3.send(new HeadObjectCommand(at));
    const v1 = (await s3.send(new ListObjectsCommand({ Bucket: bucket, Prefix: at.Key }))).Contents ?? [];
    const v2 = (await s3.send(new ListObjectsV2Command({ Bucket: bucket, Prefix: at.Key }))).Contents ?? [];
    for (const found of [got, head]) {
      expect([found.ContentLength, found.ETag]).toEqual([size, put.ETag]);
      expect(seconds(found.LastModified)).toBe(seconds(head.LastModified));
    }
    for (const row of [v1.find(({ Key }) => Key === at.Key), v2.find(({ Key }) => Key === at.Key)]) {
      expect([row?.Size, row?.ETag]).toEqual([size, put.ETag]);
      expect(seconds(row?.LastModified)).toBe(seconds(head.LastModified));
    }
    const stored = await storedObject(backend, bucket, at.Key);
    expect(stored.body.subarray(0, 16).equals(PART_MAGIC)).toBe(true);
    expect(stored.body.length).toBeGreaterThan(size);
    if (size >= 64) expect(stored.body.includes(body.subarray(0, 32))).toBe(false);
    expect(stored.headers['content-type']).toBe('application/octet-stream');
  });

  test('a second PUT replaces the first, size and ETag included', async () => {
    const { s3, bucket } = bench();
    const at = { Bucket: bucket, Key: 'replaced' };
    for (const size of [2 * MiB, 5, 70_000]) {
      const body = randomBytes(size);
      await s3.send(new PutObjectCommand({ ...at, Body: body }));
      const got = await s3.send(new GetObjectCommand(at));
      expect(Buffer.from((await got.Body?.transformToByteArray()) ?? []).equals(body)).toBe(true);
      const rows = (await s3.send(new ListObjectsV2Command({ Bucket: bucket, Prefix: at.Key }))).Contents;
      expect(rows?.map(({ Size, ETag }) => [Size, ETag])).toEqual([[size, `"${md5(body)}"`]]);
    }
  });

  test('the same plaintext is sealed differently each time', async () => {
    const { s3, bucket, backend } = bench();
    const body = Buffer.alloc(1000, 'same');
    for (const Key of ['same/1', 'same/2']) await s3.send(new PutObjectCommand({ Bucket: bucket, Key, Body: body }));
    const [one, two] = [await storedObject(backend, bucket, 'same/1'), await storedObject(backend, bucket, 'same/2')];
    expect(one.body.subarray(16).equals(two.body.subarray(16))).toBe(false);
    expect(one.metadata['enc-dek']).not.toBe(two.metadata['enc-dek']);
  });
}

const CONTENT: readonly Header[] = [
  ['content-type', 'text/markdown; charset=utf-8'],
  ['cache-control', 'private, max-age=31, immutable'],
  ['content-disposition', `attachment; filename="a b.txt"; filename*=UTF-8''%e2%82%ac.txt`],
  ['content-encoding', 'gzip'],
  ['content-language', 'de-CH, en'],
  ['expires', 'Thu, 01 Dec 2033 16:00:00 GMT'],
];
const LATIN1 = 'caf\u00e9 \u00ff\u00a1';
const UTF8_BYTES = Buffer.from('snow \u2603 \ud83d\ude00').toString('latin1');
/** Metadata that are not ASCII are answered as encoded words (RFC 2047): strict clients cannot read anything else. */
const AS_WORDS = new Map([
  [LATIN1, '=?UTF-8?Q?caf=C3=A9_=C3=BF=C2=A1?='],
  [UTF8_BYTES, '=?UTF-8?Q?snow_=E2=98=83_=F0=9F=98=80?='],
]);

function headers(bench: () => Bench): void {
  const kinds = [
    ['small', 100],
    ['large', MiB + 100],
  ] as const;

  test.each(kinds)('every content header and odd metadata of a %s object', async (kind, size) => {
    const { bucket, send, backend } = bench();
    const path = objectPath(bucket, `headers/${kind}`);
    const metadata: Header[] = [
      ['x-amz-meta-plain', 'value'],
      ['x-amz-meta-UPPER-Case', 'Kept As It Is'],
      ['x-amz-meta-md5chksum', '1B2M2Y8AsgTpgAmY7PhCfg=='],
      ['x-amz-meta-latin1', LATIN1],
      ['x-amz-meta-utf8', UTF8_BYTES],
      ['x-amz-meta-words', '=?UTF-8?B?w7ZoYQ==?= =?iso-8859-1?q?caf=E9?='],
      ['x-amz-meta-empty', ''],
      ['x-amz-meta-enc-algo', 'mine, not the format'],
    ];
    const put = await send({ method: 'PUT', path, headers: [...CONTENT, ...metadata], body: randomBytes(size) });
    expect(put.status, put.body.toString()).toBe(200);
    for (const method of ['GET', 'HEAD']) {
      const found = await send({ method, path });
      expect(found.status).toBe(200);
      for (const [name, value] of [...CONTENT, ...metadata]) {
        expect([name, found.headers[name.toLowerCase()]]).toEqual([name, AS_WORDS.get(value) ?? value]);
      }
      expect(found.headers['accept-ranges']).toBe('bytes');
      expect(found.headers['content-length']).toBe(String(size));
    }
    const stored = await storedObject(backend, bucket, `headers/${kind}`);
    expect(Object.keys(stored.metadata).sort()).toEqual(['enc-algo', 'enc-attrs', 'enc-dek', 'enc-tenant']);
    const visible = JSON.stringify(stored.headers);
    for (const [, value] of CONTENT) expect(visible).not.toContain(value);
    expect(visible).not.toContain('Kept As It Is');
  });

  test.each(kinds)('2 KB of metadata on a %s object goes to the footer when it does not fit', async (kind, size) => {
    const { bucket, send, backend } = bench();
    const key = `metadata/${kind}`;
    const body = randomBytes(size);
    // 2,048 bytes by S3's count: names without the prefix, and values.
    const metadata: Header[] = [
      ['x-amz-meta-a', 'x'.repeat(1000)],
      ['x-amz-meta-b', 'y'.repeat(1046)],
    ];
    const path = objectPath(bucket, key);
    const put = await send({ method: 'PUT', path, headers: [...CONTENT, ...metadata], body });
    expect(put.status, put.body.toString()).toBe(200);
    const stored = await storedObject(backend, bucket, key);
    expect(Object.keys(stored.metadata).sort()).toEqual(['enc-algo', 'enc-dek', 'enc-tenant']);
    expect(stored.body.includes(LOCATOR_MAGIC)).toBe(true);
    expect(stored.body.includes('x'.repeat(40))).toBe(false);
    const got = await send({ method: 'GET', path });
    expect(got.body.equals(body)).toBe(true);
    for (const found of [got, await send({ method: 'HEAD', path })]) {
      expect(found.headers['etag']).toBe(`"${md5(body)}"`);
      for (const [name, value] of [...CONTENT, ...metadata]) expect(found.headers[name]).toBe(value);
    }
    const range = await send({ method: 'GET', path, headers: [['range', 'bytes=10-19']] });
    expect(range.body.equals(body.subarray(10, 20))).toBe(true);
  });

  test('one byte of metadata over 2 KB is refused, and nothing is stored', async () => {
    const { bucket, send } = bench();
    const path = objectPath(bucket, 'metadata/too-large');
    const put = await send({ method: 'PUT', path, headers: [['x-amz-meta-a', 'x'.repeat(2048)]], body: 'x' });
    expect([put.status, put.code]).toEqual([400, 'MetadataTooLarge']);
    expect((await send({ method: 'HEAD', path })).status).toBe(404);
  });

  test('metadata given twice is joined with a comma', async () => {
    const { bucket, send } = bench();
    const path = objectPath(bucket, 'metadata/twice');
    const twice: Header[] = [
      ['x-amz-meta-tag', 'one'],
      ['x-amz-meta-tag', 'two'],
    ];
    expect((await send({ method: 'PUT', path, headers: twice, body: 'x' })).status).toBe(200);
    expect((await send({ method: 'HEAD', path })).headers['x-amz-meta-tag']).toBe('one,two');
  });

  test('aws-chunked is stripped from Content-Encoding, and only that', async () => {
    const { bucket, send } = bench();
    const cases = [
      ['aws-chunked', undefined],
      ['gzip, aws-chunked', 'gzip'],
      ['gzip,aws-chunked', 'gzip'],
      ['br', 'br'],
    ] as const;
    for (const [index, [sent, kept]] of cases.entries()) {
      const path = objectPath(bucket, `encoding/${index}`);
      await send({ method: 'PUT', path, headers: [['content-encoding', sent]], body: 'x' });
      expect((await send({ method: 'HEAD', path })).headers['content-encoding']).toBe(kept);
    }
  });

  test('an object without a content type answers binary/octet-stream, as S3 does', async () => {
    const { bucket, send } = bench();
    const path = objectPath(bucket, 'untyped');
    await send({ method: 'PUT', path, body: 'x' });
    expect((await send({ method: 'GET', path })).headers['content-type']).toBe('binary/octet-stream');
  });
}

const body = randomBytes(1000);
const large = randomBytes(MiB + 17);

function checksums(bench: () => Bench): void {
  async function expectReturned(path: string, algorithm: string, value: string): Promise<void> {
    const { send } = bench();
    const name = `x-amz-checksum-${algorithm.toLowerCase()}`;
    const mode: Header = ['x-amz-checksum-mode', 'ENABLED'];
    for (const method of ['GET', 'HEAD']) {
      const asked = await send({ method, path, headers: [mode] });
      expect([asked.headers[name], asked.headers['x-amz-checksum-type']]).toEqual([value, 'FULL_OBJECT']);
      expect((await send({ method, path })).headers[name]).toBeUndefined();
      const range = await send({ method, path, headers: [mode, ['range', 'bytes=0-9']] });
      expect(range.status).toBe(206);
      expect(range.headers[name]).toBeUndefined();
    }
    const header: Header = ['x-amz-object-attributes', 'Checksum'];
    const attributes = await send({ method: 'GET', path, query: 'attributes', headers: [header] });
    expect(attributes.body.toString()).toContain(
      `<Checksum><Checksum${algorithm}>${value}</Checksum${algorithm}><ChecksumType>FULL_OBJECT</ChecksumType></Checksum>`,
    );
    const [bucket = '', prefix = ''] = path.slice(1).split(/\/(.*)/);
    const list = await send({ method: 'GET', path: `/${bucket}`, query: `list-type=2&prefix=${prefix}` });
    expect(list.body.toString()).toContain(
      `<ChecksumAlgorithm>${algorithm}</ChecksumAlgorithm><ChecksumType>FULL_OBJECT</ChecksumType>`,
    );
  }

  test.each(ALGORITHMS)('%s by header: kept, echoed, and returned only when asked for', async (algorithm) => {
    const { bucket, send } = bench();
    for (const [kind, content] of [
      ['small', body],
      ['large', large],
    ] as const) {
      const path = objectPath(bucket, `checksums/header-${algorithm}-${kind}`);
      const value = referenceChecksum(algorithm, content);
      const name = `x-amz-checksum-${algorithm.toLowerCase()}`;
      const put = await send({ method: 'PUT', path, headers: [[name, value]], body: content });
      expect([put.status, put.headers[name]]).toEqual([200, value]);
      await expectReturned(path, algorithm, value);
    }
  });

  test.each(ALGORITHMS)('%s by trailer: kept and returned', async (algorithm) => {
    const { bucket, send } = bench();
    const path = objectPath(bucket, `checksums/trailer-${algorithm}`);
    const value = referenceChecksum(algorithm, body);
    const put = await send(trailed(path, body, algorithm, value));
    expect([put.status, put.body.toString()]).toEqual([200, '']);
    expect((await send({ method: 'GET', path })).body.equals(body)).toBe(true);
    await expectReturned(path, algorithm, value);
  });

  test.each(ALGORITHMS)(
    'a wrong %s is BadDigest, a malformed one refused, and nothing is stored',
    async (algorithm) => {
      const { bucket, send, proxy } = bench();
      const wrong = referenceChecksum(algorithm, Buffer.from('another body'));
      const name = `x-amz-checksum-${algorithm.toLowerCase()}`;
      const path = objectPath(bucket, `checksums/wrong-${algorithm}`);
      const refusals = [
        await send({ method: 'PUT', path, headers: [[name, wrong]], body }),
        await send(trailed(path, body, algorithm, wrong)),
        await send({ method: 'PUT', path, headers: [[name, 'AAA=']], body }),
        await send({ method: 'PUT', path, headers: [[name, wrong]], body: large }),
        await send(trailed(path, large, algorithm, wrong)),
      ];
      expect(refusals.map(({ status, code }) => `${status} ${code}`)).toEqual([
        '400 BadDigest',
        '400 BadDigest',
        '400 InvalidRequest',
        '400 BadDigest',
        '400 BadDigest',
      ]);
      expect((await send({ method: 'HEAD', path })).status).toBe(404);
      expect(proxy.log.filter(({ level }) => level === 'error')).toEqual([]);
    },
  );

  test('a wrong Content-MD5 is BadDigest, a malformed one InvalidDigest, and nothing is stored', async () => {
    const { bucket, send } = bench();
    const path = objectPath(bucket, 'checksums/md5');
    const right = createHash('md5').update(body).digest('base64');
    const wrong = createHash('md5').update('other').digest('base64');
    for (const content of [body, large]) {
      const refused = await send({ method: 'PUT', path, headers: [['content-md5', wrong]], body: content });
      expect([refused.status, refused.code]).toEqual([400, 'BadDigest']);
    }
    for (const malformed of ['x', '1B2M2Y8AsgTpgAmY7PhCfg', 'AAAA']) {
      const refused = await send({ method: 'PUT', path, headers: [['content-md5', malformed]], body });
      expect([refused.status, refused.code]).toEqual([400, 'InvalidDigest']);
    }
    expect((await send({ method: 'HEAD', path })).status).toBe(404);
    expect((await send({ method: 'PUT', path, headers: [['content-md5', right]], body })).status).toBe(200);
  });
}

function trailed(path: string, body: Buffer, algorithm: string, value: string) {
  const name = `x-amz-checksum-${algorithm.toLowerCase()}`;
  const headers: Header[] = [
    ['x-amz-decoded-content-length', String(body.length)],
    ['x-amz-trailer', name],
    ['content-encoding', 'aws-chunked'],
  ];
  const payload = 'STREAMING-UNSIGNED-PAYLOAD-TRAILER';
  return {
    method: 'PUT',
    path,
    headers,
    payload,
    body: framed(body, { chunkBytes: 65536, trailer: `${name}:${value}` }),
  };
}
