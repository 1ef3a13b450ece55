// Protects: a body ends cleanly only when everything promised about it holds. One named test for each way of failing, for plain
// and chunked bodies; a client that goes away is never a clean end; stopping early releases the source; results come after the
// end only.
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { createHasher } from '../../../proxy/body/checksums.ts';
import { collectBody, openBody, type VerifiedBody } from '../../../proxy/body/verified-body.ts';
import { S3Error, type S3ErrorCode } from '../../../proxy/errors.ts';
import type { PayloadMode } from '../../../sigv4/parse.ts';
import { parseClaim } from '../../../sigv4/parse.ts';
import { type Verified, verifyRequest } from '../../../sigv4/verify.ts';
import { chunkedBody } from '../../helpers/aws-chunked-body.ts';
import { ChunkSigner, headerOf, NOW, sha256Hex, signByHeader, signingSecret } from '../../helpers/sign-request.ts';

const HELLO = Buffer.from('hello world');
const MD5 = createHash('md5').update(HELLO).digest();
const CRC32 = 'DUoRhQ==';
const UNSIGNED = 'UNSIGNED-PAYLOAD';
const UNSIGNED_TRAILER = 'STREAMING-UNSIGNED-PAYLOAD-TRAILER';
const SIGNED_CHUNKS = 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD';
const SIGNED_TRAILER = 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER';

type Headers = Record<string, string>;

function verifiedOf(payload: string): { verified: Verified; seed: string } {
  const request = signByHeader({ method: 'PUT', payload });
  const verified = verifyRequest(request, parseClaim(request), { signingSecret: signingSecret(), now: NOW });
  return { verified, seed: /Signature=([0-9a-f]{64})/.exec(headerOf(request, 'authorization'))?.[1] ?? '' };
}

async function* sourceOf(reads: readonly Buffer[]): AsyncGenerator<Buffer> {
  yield* reads;
}

function open(payload: string, headers: Headers, reads: readonly Buffer[]): VerifiedBody {
  const { verified } = verifiedOf(payload);
  return openBody({ source: sourceOf(reads), header: (name) => headers[name], verified });
}

async function failureOf(body: VerifiedBody): Promise<S3Error> {
  try {
    await collectBody(body, { maxBytes: 1 << 20, tooLarge: 'EntityTooLarge' });
  } catch (error) {
    expect(() => body.result()).toThrow(/after its end/);
    if (error instanceof S3Error) return error;
    throw error;
  }
  throw new Error('the body was accepted');
}

const collect = (body: VerifiedBody) => collectBody(body, { maxBytes: 1 << 20, tooLarge: 'EntityTooLarge' });
const halves = [HELLO.subarray(0, 5), HELLO.subarray(5)];

function trailerBody(value: string, name = 'x-amz-checksum-crc32', payload: Buffer = HELLO): Buffer {
  return chunkedBody({ payload, chunkBytes: 4, trailer: { name, value } });
}

function signedBody(payload: string, trailer?: { name: string; value: string }): Buffer {
  const signer = new ChunkSigner({ seed: verifiedOf(payload).seed });
  return chunkedBody({ payload: HELLO, chunkBytes: 4, signer, ...(trailer === undefined ? {} : { trailer }) });
}

const DECODED = { 'x-amz-decoded-content-length': '11' };
const ANNOUNCED = { ...DECODED, 'x-amz-trailer': 'x-amz-checksum-crc32' };

describe('accepted', () => {
  it('a plain body with every promise kept', async () => {
    const headers = {
      'content-length': '11',
      'content-md5': MD5.toString('base64'),
      'x-amz-checksum-crc32': CRC32,
    };
    const body = open(sha256Hex(HELLO), headers, halves);
    expect(body.plainBytes).toBe(11);
    expect(await collect(body)).toEqual(HELLO);
    expect(body.result()).toEqual({
      md5: MD5,
      checksums: [{ algorithm: 'CRC32', value: Buffer.from(CRC32, 'base64') }],
    });
  });

  it('a hash in upper case', async () => {
    expect(await collect(open(sha256Hex(HELLO).toUpperCase(), { 'content-length': '11' }, halves))).toEqual(HELLO);
  });

  it('an empty body', async () => {
    const body = open(sha256Hex(''), { 'content-length': '0' }, []);
    body.computeMd5();
    expect(await collect(body)).toHaveLength(0);
    expect(body.result()).toEqual({ md5: createHash('md5').digest(), checksums: [] });
  });

  it('a body of which nobody asked for an MD5, which then is not computed', async () => {
    const body = open(sha256Hex(HELLO), { 'content-length': '11' }, halves);
    await collect(body);
    expect(body.result().md5).toBeUndefined();
    expect(() => body.computeMd5()).toThrow(/after the body was begun/);
  });

  it('an unsigned body with an unsigned trailer', async () => {
    const body = open(UNSIGNED_TRAILER, ANNOUNCED, [trailerBody(CRC32)]);
    expect(await collect(body)).toEqual(HELLO);
    expect(body.result().checksums).toEqual([{ algorithm: 'CRC32', value: Buffer.from(CRC32, 'base64') }]);
  });

  it('signed chunks, with and without a signed trailer', async () => {
    const plain = open(SIGNED_CHUNKS, DECODED, [signedBody(SIGNED_CHUNKS)]);
    expect(await collect(plain)).toEqual(HELLO);
    const trailer = { name: 'x-amz-checksum-crc32', value: CRC32 };
    const body = open(SIGNED_TRAILER, ANNOUNCED, [signedBody(SIGNED_TRAILER, trailer)]);
    body.computeMd5();
    expect(await collect(body)).toEqual(HELLO);
    expect(body.result().md5).toEqual(MD5);
  });

  it('signed chunks with a checksum in a header', async () => {
    const headers = { ...DECODED, 'x-amz-checksum-crc32': CRC32 };
    expect(await collect(open(SIGNED_CHUNKS, headers, [signedBody(SIGNED_CHUNKS)]))).toEqual(HELLO);
  });

  it.each(['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256'] as const)('%s in a trailer', async (algorithm) => {
    const hasher = createHasher(algorithm);
    hasher.update(HELLO);
    const value = hasher.digest();
    const name = `x-amz-checksum-${algorithm.toLowerCase()}`;
    const headers = { ...DECODED, 'x-amz-trailer': name, 'x-amz-sdk-checksum-algorithm': algorithm };
    const body = open(UNSIGNED_TRAILER, headers, [trailerBody(value.toString('base64'), name)]);
    expect(await collect(body)).toEqual(HELLO);
    expect(body.result().checksums).toEqual([{ algorithm, value }]);
    const wrong = Buffer.from(value);
    wrong[0] = (wrong[0] ?? 0) ^ 1;
    const bad = open(UNSIGNED_TRAILER, headers, [trailerBody(wrong.toString('base64'), name)]);
    expect((await failureOf(bad)).code).toBe('BadDigest');
  });

  it('a checksum asked for by the client, and one by the operation', async () => {
    const body = open(UNSIGNED, { 'content-length': '11', 'x-amz-checksum-algorithm': 'SHA1' }, halves);
    body.compute('CRC32');
    body.compute('SHA1');
    await collect(body);
    expect(body.result().checksums.map(({ algorithm }) => algorithm)).toEqual(['SHA1', 'CRC32']);
    expect(body.result().checksums[1]?.value.toString('base64')).toBe(CRC32);
    expect(() => body.compute('CRC32C')).toThrow(/after the body was begun/);
  });
});

describe('refused', () => {
  const otherHash = sha256Hex('other');
  const CASES: readonly (readonly [
    name: string,
    payload: string,
    headers: Headers,
    reads: readonly Buffer[],
    code: S3ErrorCode,
    message?: RegExp,
  ])[] = [
    ['another body than the signed hash', otherHash, { 'content-length': '11' }, halves, 'XAmzContentSHA256Mismatch'],
    [
      'another body than Content-MD5',
      UNSIGNED,
      { 'content-length': '11', 'content-md5': 'XrY7u+Ae7tCTyyK7j1rNwQ==' },
      halves,
      'BadDigest',
      /Content-MD5/,
    ],
    [
      'another body than the checksum in a header',
      UNSIGNED,
      { 'content-length': '11', 'x-amz-checksum-crc32': 'AAAAAA==' },
      halves,
      'BadDigest',
      /CRC32/,
    ],
    ['fewer bytes than Content-Length', UNSIGNED, { 'content-length': '12' }, halves, 'IncompleteBody'],
    ['no bytes at all', UNSIGNED, { 'content-length': '11' }, [], 'IncompleteBody'],
    ['more bytes than Content-Length', UNSIGNED, { 'content-length': '10' }, halves, 'IncompleteBody'],
    ['a wrong trailer', UNSIGNED_TRAILER, ANNOUNCED, [trailerBody('AAAAAA==')], 'BadDigest', /CRC32/],
    [
      'a trailer that is not base64',
      UNSIGNED_TRAILER,
      ANNOUNCED,
      [trailerBody('DUoRhQ')],
      'InvalidRequest',
      /trailing header is invalid/,
    ],
    [
      'another trailer than the announced one',
      UNSIGNED_TRAILER,
      ANNOUNCED,
      [trailerBody(CRC32, 'x-amz-checksum-crc32c')],
      'MalformedTrailerError',
    ],
    ['a trailer that was not announced', UNSIGNED_TRAILER, DECODED, [trailerBody(CRC32)], 'MalformedTrailerError'],
    [
      'an announced trailer that is missing',
      UNSIGNED_TRAILER,
      ANNOUNCED,
      [Buffer.from('b\r\nhello world\r\n0\r\n\r\n')],
      'MalformedTrailerError',
    ],
    [
      'a second field in the trailer',
      UNSIGNED_TRAILER,
      ANNOUNCED,
      [Buffer.concat([trailerBody(CRC32).subarray(0, -2), Buffer.from('x-amz-meta-a:1\r\n\r\n')])],
      'MalformedTrailerError',
    ],
    [
      'data changed under an unsigned trailer',
      UNSIGNED_TRAILER,
      ANNOUNCED,
      [trailerBody(CRC32, 'x-amz-checksum-crc32', Buffer.from('hellO world'))],
      'BadDigest',
    ],
    ['a plain body where chunks are promised', UNSIGNED_TRAILER, ANNOUNCED, halves, 'IncompleteBody'],
    [
      'unsigned chunks where signed ones are promised',
      SIGNED_TRAILER,
      ANNOUNCED,
      [trailerBody(CRC32)],
      'IncompleteBody',
    ],
    ['chunks signed from another seed', SIGNED_CHUNKS, DECODED, [signedBody(SIGNED_TRAILER)], 'SignatureDoesNotMatch'],
    [
      'a decoded length that is too small',
      SIGNED_CHUNKS,
      { 'x-amz-decoded-content-length': '10' },
      [signedBody(SIGNED_CHUNKS)],
      'IncompleteBody',
    ],
    [
      'a decoded length that is too large',
      SIGNED_CHUNKS,
      { 'x-amz-decoded-content-length': '12' },
      [signedBody(SIGNED_CHUNKS)],
      'IncompleteBody',
    ],
    [
      'a signed trailer whose checksum is wrong',
      SIGNED_TRAILER,
      ANNOUNCED,
      [signedBody(SIGNED_TRAILER, { name: 'x-amz-checksum-crc32', value: 'AAAAAA==' })],
      'BadDigest',
    ],
  ];

  it('is 19 cases', () => expect(CASES).toHaveLength(19));

  for (const [name, payload, headers, reads, code, message] of CASES) {
    it(`${name}: ${code}`, async () => {
      const error = await failureOf(open(payload, headers, reads));
      expect(error.code).toBe(code);
      if (message !== undefined) expect(error.message).toMatch(message);
    });
  }

  it('tells both hashes when the signed one does not match', async () => {
    const error = await failureOf(open(otherHash, { 'content-length': '11' }, halves));
    expect(error.details).toEqual({
      ClientComputedContentSHA256: otherHash,
      S3ComputedContentSHA256: sha256Hex(HELLO),
    });
  });

  it('from the headers alone, before the source is touched', () => {
    let touched = false;
    const source: AsyncIterable<Buffer> = {
      [Symbol.asyncIterator]() {
        touched = true;
        return sourceOf([]);
      },
    };
    const { verified } = verifiedOf(UNSIGNED);
    expect(() => openBody({ source, header: () => undefined, verified })).toThrow(S3Error);
    expect(touched).toBe(false);
  });

  it('when signed chunks come without their chain, as a bug of ours', async () => {
    const { verified } = verifiedOf(SIGNED_CHUNKS);
    const payload: PayloadMode = { kind: 'signed-chunks', trailer: false };
    const body = openBody({
      source: sourceOf([]),
      header: (name) => (name === 'x-amz-decoded-content-length' ? '0' : undefined),
      verified: { claim: verified.claim, payload },
    });
    await expect(collect(body)).rejects.toThrow('without their chain');
  });
});

describe('the source', () => {
  const header = (name: string) => (name === 'content-length' ? '11' : undefined);
  const { verified } = verifiedOf(UNSIGNED);

  it('that fails is an incomplete body, with the cause kept', async () => {
    const gone = new Error('socket hang up');
    async function* source(): AsyncGenerator<Buffer> {
      yield HELLO;
      throw gone;
    }
    const error = await failureOf(openBody({ source: source(), header, verified }));
    expect(error.code).toBe('IncompleteBody');
    expect(error.cause).toBe(gone);
  });

  it('that fails with an S3 error keeps it', async () => {
    async function* source(): AsyncGenerator<Buffer> {
      yield HELLO;
      throw new S3Error('RequestTimeout');
    }
    expect((await failureOf(openBody({ source: source(), header, verified }))).code).toBe('RequestTimeout');
  });

  it('is released when the reader stops, and when the body is refused', async () => {
    for (const stop of ['reader', 'refusal'] as const) {
      let released = 0;
      async function* source(): AsyncGenerator<Buffer> {
        try {
          for (;;) yield HELLO;
        } finally {
          released += 1;
        }
      }
      const body = openBody({ source: source(), header, verified });
      if (stop === 'refusal') {
        expect((await failureOf(body)).code).toBe('IncompleteBody');
      } else {
        for await (const slice of body.chunks) {
          expect(slice).toEqual(HELLO);
          break;
        }
        expect(() => body.result()).toThrow(/after its end/);
      }
      expect(released).toBe(1);
    }
  });

  it('is read once', async () => {
    const body = open(UNSIGNED, { 'content-length': '11' }, halves);
    await collect(body);
    await expect(collect(body)).rejects.toThrow('read once');
  });

  it('gives its own bytes, not copies', async () => {
    const slices: Buffer[] = [];
    for await (const slice of open(UNSIGNED, { 'content-length': '11' }, halves).chunks) slices.push(slice);
    expect(slices).toHaveLength(2);
    expect(slices[0]).toBe(halves[0]);
  });
});

describe('collecting', () => {
  it('stops before it reads when there is too much', async () => {
    let touched = false;
    async function* source(): AsyncGenerator<Buffer> {
      touched = true;
      yield HELLO;
    }
    const { verified } = verifiedOf(UNSIGNED);
    const header = (name: string) => (name === 'content-length' ? '11' : undefined);
    const body = openBody({ source: source(), header, verified });
    await expect(collectBody(body, { maxBytes: 10, tooLarge: 'MaxMessageLengthExceeded' })).rejects.toMatchObject({
      code: 'MaxMessageLengthExceeded',
    });
    expect(touched).toBe(false);
  });

  it('takes exactly the limit', async () => {
    const body = open(UNSIGNED, { 'content-length': '11' }, halves);
    expect(await collectBody(body, { maxBytes: 11, tooLarge: 'EntityTooLarge' })).toEqual(HELLO);
  });
});
