// Protects: the strict backend refuses what it says it refuses, lets the rest through, and its conditions are atomic. If
// it were lenient, tests of the proxy behind it would prove nothing.
import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { Backend, BackendRequest } from '../../proxy/backend/backend.ts';
import { probeCapabilities } from '../../proxy/backend/probe.ts';
import { readBody } from '../../proxy/backend/read-body.ts';
import { renderXml } from '../../proxy/xml/render-xml.ts';
import { type Flaw, modelStore } from './model-store.ts';
import { strictBackend } from './strict-backend.ts';

const signal = new AbortController().signal;
const put = { method: 'PUT', bucket: 'data', key: 'k', signal } as const;
const md5 = (text: string) => createHash('md5').update(text).digest('base64');

async function outcome(backend: Backend, request: BackendRequest): Promise<string> {
  const response = await backend.send(request);
  const body = (await readBody(response, { maxBytes: 1 << 20 })).toString();
  return `${response.status} ${/<Code>(.*)<\/Code>/.exec(body)?.[1] ?? body}`.trim();
}

function stream(...pieces: string[]) {
  async function* chunks() {
    for (const piece of pieces) yield Buffer.from(piece);
  }
  return { length: Buffer.byteLength(pieces.join('')), chunks: chunks() };
}

describe('requests of a well-behaved proxy pass', () => {
  test('with metadata, digests, tags and conditions, as buffer and as stream', async () => {
    const inner = modelStore();
    const strict = strictBackend(inner);
    const headers = {
      'content-type': 'application/octet-stream',
      'x-amz-meta-enc-algo': 'v1',
      'x-amz-tagging': 'a=b',
      'content-md5': md5('sealed'),
      'if-none-match': '*',
    };
    expect(await outcome(strict, { ...put, headers, body: Buffer.from('sealed') })).toBe('200');
    expect(await outcome(strict, { ...put, key: 's', headers, body: stream('se', '', 'aled') })).toBe('200');
    expect(await outcome(strict, { ...put, key: 'empty', body: stream() })).toBe('200');
    expect(inner.objects.get('data/s')?.body.toString()).toBe('sealed');
    expect(inner.objects.get('data/s')?.headers).toMatchObject({ 'x-amz-meta-enc-algo': 'v1' });
    expect(await outcome(strict, { ...put, method: 'GET', headers: { range: 'bytes=0-1' } })).toBe('206 se');
    expect(await outcome(strict, { ...put, method: 'DELETE' })).toBe('204');
    expect(strict.violations).toEqual([]);
    expect(strict.refusals).toEqual([]);
  });

  test.each([
    ['x-amz-checksum-crc32', crcByBits(0xedb88320)],
    ['x-amz-checksum-crc32c', crcByBits(0x82f63b78)],
    ['x-amz-checksum-sha1', createHash('sha1').update('sealed').digest('base64')],
    ['x-amz-checksum-sha256', createHash('sha256').update('sealed').digest('base64')],
  ])('%s of the body is computed, not believed', async (name, right) => {
    const strict = strictBackend(modelStore());
    for (const body of [() => Buffer.from('sealed'), () => stream('se', 'aled')]) {
      expect(await outcome(strict, { ...put, headers: { [name]: right }, body: body() })).toBe('200');
      expect(await outcome(strict, { ...put, headers: { [name]: md5('x') }, body: body() })).toBe('400 BadDigest');
    }
  });
});

/** The CRC of 'sealed', bit by bit, apart from the code under test. */
function crcByBits(polynomial: number): string {
  let crc = 0xffffffff;
  for (const byte of Buffer.from('sealed')) {
    crc ^= byte;
    for (let i = 0; i < 8; i++) crc = (crc >>> 1) ^ (crc & 1 ? polynomial : 0);
  }
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE((crc ^ 0xffffffff) >>> 0);
  return bytes.toString('base64');
}

describe('what must not leave the proxy is refused and recorded', () => {
  test.each([
    ...['referer', 'authorization', 'cookie', 'user-agent', 'host', 'x-amz-date', 'x-amz-security-token'],
    ...['x-amz-content-sha256', 'x-amz-checksum-algorithm', 'x-amz-trailer', 'x-amz-decoded-content-length'],
    ...['x-forwarded-for', 'origin', 'accept-encoding', 'expect', 'content-length', 'X-Amz-Meta-A', 'x-amz-meta-ü'],
    ...['x-amz-sdk-checksum-algorithm', 'x-amz-server-side-encryption-customer-key', 'x-anything-else'],
  ])('the header %s', async (name) => {
    const strict = strictBackend(modelStore());
    const request = { ...put, headers: { [name]: 'v' }, body: Buffer.from('b') };
    expect(await outcome(strict, request)).toBe('400 InvalidRequest');
    expect(strict.violations).toMatchObject([{ method: 'PUT', key: 'k', what: `not for a store: the header ${name}` }]);
  });

  test.each(['X-Amz-Signature', 'X-Amz-Credential', 'x-id', 'anything'])('the query parameter %s', async (name) => {
    const strict = strictBackend(modelStore());
    expect(await outcome(strict, { ...put, method: 'GET', query: [[name, 'v']] })).toBe('400 InvalidRequest');
    expect(strict.violations).toHaveLength(1);
  });

  test('an algorithm beside no checksum of it; beside its own it passes', async () => {
    const strict = strictBackend(modelStore());
    const body = Buffer.from('sealed');
    const crc = { 'x-amz-checksum-crc32c': crcByBits(0x82f63b78) };
    const named = (algorithm: string) => ({
      ...put,
      body,
      headers: { ...crc, 'x-amz-sdk-checksum-algorithm': algorithm },
    });
    expect(await outcome(strict, named('CRC32'))).toBe('400 InvalidRequest');
    expect(await outcome(strict, named('CRC32C'))).toBe('200');
    expect(strict.violations).toHaveLength(1);
  });

  test('a checksum without a body, or of another body', async () => {
    const strict = strictBackend(modelStore());
    const headers = { 'x-amz-checksum-sha256': 'plaintext' };
    expect(await outcome(strict, { ...put, headers })).toBe('400 InvalidRequest');
    expect(await outcome(strict, { ...put, headers, body: Buffer.from('sealed') })).toBe('400 BadDigest');
  });
});

describe('bodies', () => {
  test('with a wrong Content-MD5 are not stored, streamed or not', async () => {
    const inner = modelStore();
    const strict = strictBackend(inner);
    const headers = { 'content-md5': md5('other') };
    expect(await outcome(strict, { ...put, headers, body: Buffer.from('sealed') })).toBe('400 BadDigest');
    expect(await outcome(strict, { ...put, headers, body: stream('sea', 'led') })).toBe('400 BadDigest');
    expect(inner.objects.size).toBe(0);
    expect(strict.refusals).toEqual(['PUT 400 BadDigest', 'PUT 400 BadDigest']);
  });

  test.each([5, 7])('of 6 bytes announced as %i are not stored', async (length) => {
    const inner = modelStore();
    const body = { ...stream('sea', 'led'), length };
    expect(await outcome(strictBackend(inner), { ...put, body })).toBe('400 IncompleteBody');
    expect(inner.objects.size).toBe(0);
  });

  test('that fail keep their own error', async () => {
    const failure = new Error('verification');
    async function* chunks() {
      yield Buffer.from('sea');
      throw failure;
    }
    const inner = modelStore();
    await expect(strictBackend(inner).send({ ...put, body: { length: 6, chunks: chunks() } })).rejects.toBe(failure);
    expect(inner.objects.size).toBe(0);
  });
});

describe('limits', () => {
  const big = (bytes: number) => ({ length: bytes, chunks: stream().chunks });
  const metadata = (bytes: number) => ({ 'x-amz-meta-m': 'v'.repeat(bytes - 1) });

  test.each<[string, Partial<BackendRequest>, string]>([
    ['metadata of 2,048 bytes', { headers: metadata(2048), body: Buffer.alloc(1) }, '200'],
    ['metadata of 2,049 bytes', { headers: metadata(2049), body: Buffer.alloc(1) }, '400 MetadataTooLarge'],
    ['a key of 1,024 bytes', { key: 'ü'.repeat(512), body: Buffer.alloc(1) }, '200'],
    ['a key of 1,025 bytes', { key: `${'ü'.repeat(512)}x`, body: Buffer.alloc(1) }, '400 KeyTooLongError'],
    ['an empty key', { key: '', body: Buffer.alloc(1) }, '400 InvalidRequest'],
    ['5 GiB and a byte', { body: big(5 * 2 ** 30 + 1) }, '400 EntityTooLarge'],
    [
      'part 0',
      {
        query: [
          ['partNumber', '0'],
          ['uploadId', 'u'],
        ],
        body: Buffer.alloc(1),
      },
      '400 InvalidArgument',
    ],
    [
      'part 10,001',
      {
        query: [
          ['partNumber', '10001'],
          ['uploadId', 'u'],
        ],
        body: Buffer.alloc(1),
      },
      '400 InvalidArgument',
    ],
    [
      'a part of no number',
      {
        query: [
          ['partNumber', '1e3'],
          ['uploadId', 'u'],
        ],
        body: Buffer.alloc(1),
      },
      '400 InvalidArgument',
    ],
    ['a bucket name', { bucket: 'a/b', body: Buffer.alloc(1) }, '400 InvalidBucketName'],
    [
      'a line break in a header',
      { headers: { 'content-type': 'a\r\nb' }, body: Buffer.alloc(1) },
      '400 InvalidRequest',
    ],
    ['GET with a body', { method: 'GET', body: Buffer.alloc(1) }, '400 InvalidRequest'],
    [
      'a parameter twice',
      {
        method: 'GET',
        query: [
          ['acl', ''],
          ['acl', ''],
        ],
      },
      '400 InvalidRequest',
    ],
  ])('%s', async (_, request, expected) => {
    expect(await outcome(strictBackend(modelStore()), { ...put, ...request })).toBe(expected);
  });

  test("metadata beyond MinIO's count is reported, not refused", async () => {
    const strict = strictBackend(modelStore());
    await strict.send({ ...put, headers: metadata(2048 - 11), body: Buffer.alloc(1) });
    expect(strict.overMinioMetadata).toEqual([]);
    await strict.send({ ...put, headers: metadata(2048 - 10), body: Buffer.alloc(1) });
    expect(strict.overMinioMetadata).toHaveLength(1);
  });

  test('DeleteObjects needs a digest', async () => {
    const strict = strictBackend(modelStore());
    const request = {
      method: 'POST',
      bucket: 'data',
      query: [['delete', '']],
      body: Buffer.from('<x/>'),
      signal,
    } as const;
    expect(await outcome(strict, request)).toBe('400 InvalidRequest');
    expect(await outcome(strict, { ...request, headers: { 'content-md5': md5('<x/>') } })).toBe('200');
  });

  test('a range of an empty object', async () => {
    const strict = strictBackend(modelStore());
    await strict.send({ ...put, body: Buffer.alloc(0) });
    const get = { ...put, method: 'GET' } as const;
    expect(await outcome(strict, { ...get, headers: { range: 'bytes=0-0' } })).toBe('416 InvalidRange');
    expect(await outcome(strict, get)).toBe('200');
  });
});

describe('conditions hold though the inner store ignores them', () => {
  const flaws: Flaw[] = [
    ...(['put-if-none-match', 'put-if-match', 'delete-if-match', 'copy-if-match', 'copy-source-if-match'] as const),
    ...(['complete-if-match', 'races'] as const),
  ];

  test('every capability is there, races included', async () => {
    const bare = await probeCapabilities(modelStore({ flaws }), { bucket: 'state', prefix: '', signal });
    const there = Object.entries(bare).flatMap(([name, isThere]) => (isThere ? [name] : []));
    expect(there.filter((name) => name.startsWith('conditional'))).toEqual([]);
    const strict = strictBackend(modelStore({ flaws }), { minPartBytes: 1 });
    expect(await probeCapabilities(strict, { bucket: 'state', prefix: '', signal })).toEqual({
      ...bare,
      conditionalPut: true,
      conditionalPutIfMatch: true,
      conditionalDelete: true,
      conditionalCopy: true,
      conditionalCopySource: true,
      conditionalComplete: true,
    });
    expect(strict.violations).toEqual([]);
  });

  test('twenty races of streamed creations have one winner each', async () => {
    const inner = modelStore({ flaws });
    const strict = strictBackend(inner);
    for (let race = 0; race < 20; race++) {
      const request = { ...put, key: `race-${race}`, headers: { 'if-none-match': '*' } };
      const outcomes = await Promise.all(
        ['a', 'b', 'c', 'd'].map((racer) => outcome(strict, { ...request, body: stream(racer, racer) })),
      );
      expect(outcomes.toSorted()).toEqual(['200', ...Array(3).fill('412 PreconditionFailed')]);
      const winner = 'abcd'[outcomes.indexOf('200')] ?? '';
      expect(inner.objects.get(`data/race-${race}`)?.body.toString()).toBe(winner.repeat(2));
    }
  });

  test('of reads as well', async () => {
    const inner = modelStore();
    await inner.send({ ...put, body: Buffer.from('x') });
    const lenient: Backend = { ...inner, send: ({ headers: _, ...request }) => inner.send(request) };
    const strict = strictBackend(lenient);
    const get = { ...put, method: 'GET' } as const;
    expect(await outcome(strict, { ...get, headers: { 'if-match': '"other"' } })).toBe('412 PreconditionFailed');
    const { etag = '' } = (await strict.send(get)).headers;
    expect(await outcome(strict, { ...get, headers: { 'if-none-match': etag } })).toBe('304');
    expect(await outcome(strict, { ...get, headers: { 'if-match': etag } })).toBe('200 x');
  });

  test('If-Match on a missing key is 404', async () => {
    const strict = strictBackend(modelStore({ flaws }));
    const headers = { 'if-match': '"e"' };
    expect(await outcome(strict, { ...put, headers, body: Buffer.from('x') })).toBe('404 NoSuchKey');
    expect(await outcome(strict, { ...put, method: 'DELETE', headers })).toBe('404 NoSuchKey');
  });
});

describe('CompleteMultipartUpload', () => {
  async function completed(
    sizes: readonly number[],
    o: { equalParts?: boolean; order?: readonly number[]; etag?: string },
  ) {
    const strict = strictBackend(modelStore(), { minPartBytes: 10, equalParts: o.equalParts ?? false });
    await strict.send({ ...put, method: 'POST', query: [['uploads', '']] });
    const etags: string[] = [];
    for (const [i, size] of sizes.entries()) {
      const query = [
        ['partNumber', String(i + 1)],
        ['uploadId', 'upload-1'],
      ] as const;
      const response = await strict.send({ ...put, query, body: Buffer.alloc(size, i) });
      const { etag = '' } = response.headers;
      etags.push(etag);
    }
    const order = o.order ?? sizes.map((_, i) => i + 1);
    const document = renderXml('CompleteMultipartUpload', {
      Part: order.map((number) => ({ PartNumber: number, ETag: o.etag ?? etags[number - 1] ?? '"none"' })),
    });
    return outcome(strict, { ...put, method: 'POST', query: [['uploadId', 'upload-1']], body: Buffer.from(document) });
  }

  test.each([
    ['parts of the least size, a small last one', [10, 11, 1], {}, /^200 /],
    ['one small part', [1], {}, /^200 /],
    ['a small part that is not the last', [10, 9, 10], {}, /^400 EntityTooSmall$/],
    ['descending', [10, 10], { order: [2, 1] }, /^400 InvalidPartOrder$/],
    ['the same twice', [10, 10], { order: [1, 1] }, /^400 InvalidPartOrder$/],
    ['a part never uploaded', [10], { order: [1, 2] }, /^400 InvalidPart$/],
    ['a wrong ETag', [10], { etag: '"other"' }, /^400 InvalidPart$/],
    ['no part', [], {}, /^400 MalformedXML$/],
    ['equal parts', [10, 10, 3], { equalParts: true }, /^200 /],
    ['unequal parts where they must be', [10, 11, 3], { equalParts: true }, /^400 InvalidPart$/],
    ['a last part larger than the others', [10, 11], { equalParts: true }, /^400 InvalidPart$/],
  ])('%s', async (_, sizes, o, expected) => {
    expect(await completed(sizes, o)).toMatch(expected);
  });
});
