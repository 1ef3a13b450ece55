// Protects: verification of whatever two independent signers, @smithy/signature-v4 (the AWS SDK's) and aws4, sign: paths with
// `//`, `..`, percent signs, plus signs and Unicode, any query, any header spacing; and that any single changed byte of path,
// query or header is refused.
import { createHash, createHmac } from 'node:crypto';
import { SignatureV4 } from '@smithy/signature-v4';
import aws4 from 'aws4';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SigV4Error } from '../../sigv4/errors.ts';
import { parseClaim, type SignedRequest } from '../../sigv4/parse.ts';
import { verifyRequest } from '../../sigv4/verify.ts';
import { ACCESS_KEY_ID, NOW, SECRET, signingSecret } from '../helpers/sign-request.ts';

const RUNS = 300;
const HOSTNAME = 'proxy.example';

class Sha256 {
  readonly #hash;
  constructor(secret?: string | ArrayBuffer | ArrayBufferView) {
    this.#hash = secret === undefined ? createHash('sha256') : createHmac('sha256', bytesOf(secret));
  }
  update(data: string | ArrayBuffer | ArrayBufferView): void {
    this.#hash.update(bytesOf(data));
  }
  async digest(): Promise<Uint8Array> {
    return this.#hash.digest();
  }
  reset(): void {
    throw new Error('not used');
  }
}

function bytesOf(data: string | ArrayBuffer | ArrayBufferView): Buffer {
  if (typeof data === 'string') return Buffer.from(data);
  return ArrayBuffer.isView(data) ? Buffer.from(data.buffer, data.byteOffset, data.byteLength) : Buffer.from(data);
}

const signer = new SignatureV4({
  credentials: { accessKeyId: ACCESS_KEY_ID, secretAccessKey: SECRET },
  region: 'us-east-1',
  service: 's3',
  sha256: Sha256,
  uriEscapePath: false,
  applyChecksum: true,
});

function encode(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
}

const awkward = fc.constantFrom(
  '..',
  '.',
  '',
  '%',
  '%2F',
  '+',
  ' ',
  'ü',
  '木',
  '😀',
  '~',
  "'()*!",
  '&=?#',
  'a b',
  'A-z_0.9',
);
const text = fc.oneof(awkward, fc.string({ unit: 'grapheme', maxLength: 12 })).filter((s) => s.isWellFormed());
const key = fc.array(text, { minLength: 1, maxLength: 6 }).map((parts) => parts.join('/'));
const name = text.filter((s) => s !== '' && !s.startsWith('X-Amz-') && s !== '__proto__');
const query = fc.dictionary(name, text, { maxKeys: 5, noNullPrototype: true });
const headerValue = fc.string({ unit: fc.constantFrom(...'abc ,;="/\t'), minLength: 1, maxLength: 20 });
const headers = fc.dictionary(
  fc.constantFrom('x-amz-meta-a', 'x-amz-meta-b', 'x-amz-acl', 'range', 'if-match', 'content-type'),
  headerValue.filter((value) => value.trim() !== ''),
  { noNullPrototype: true },
);
const method = fc.constantFrom('GET', 'PUT', 'POST', 'DELETE', 'HEAD');
const request = fc.record({ method, key, query, headers });

function rawQuery(parameters: Record<string, string>): string {
  return Object.entries(parameters)
    .map(([one, value]) => `${encode(one)}=${encode(value)}`)
    .join('&');
}

function rawPath(objectKey: string): string {
  return `/bucket/${objectKey.split('/').map(encode).join('/')}`;
}

function verify(signed: SignedRequest) {
  return verifyRequest(signed, parseClaim(signed), { signingSecret: signingSecret(), now: NOW, region: 'us-east-1' });
}

function accepts(signed: SignedRequest): boolean {
  try {
    verify(signed);
    return true;
  } catch (error) {
    if (error instanceof SigV4Error) return false;
    throw error;
  }
}

async function smithySigned(o: {
  method: string;
  key: string;
  query: Record<string, string>;
  headers: Record<string, string>;
}) {
  const signed = await signer.sign(
    {
      method: o.method,
      protocol: 'https:',
      hostname: HOSTNAME,
      path: rawPath(o.key),
      query: o.query,
      headers: { host: HOSTNAME, ...o.headers },
      body: 'hello',
    },
    { signingDate: NOW },
  );
  return {
    method: o.method,
    path: rawPath(o.key),
    query: rawQuery(o.query),
    headers: Object.entries(signed.headers),
  } satisfies SignedRequest;
}

async function smithyPresigned(o: {
  method: string;
  key: string;
  query: Record<string, string>;
  headers: Record<string, string>;
}) {
  const signed = await signer.presign(
    {
      method: o.method,
      protocol: 'https:',
      hostname: HOSTNAME,
      path: rawPath(o.key),
      query: o.query,
      headers: { host: HOSTNAME, ...o.headers, 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' },
    },
    { signingDate: NOW, expiresIn: 900 },
  );
  return {
    method: o.method,
    path: rawPath(o.key),
    query: rawQuery(signed.query as Record<string, string>),
    headers: Object.entries(signed.headers),
  } satisfies SignedRequest;
}

function aws4Signed(o: {
  method: string;
  key: string;
  query: Record<string, string>;
  headers: Record<string, string>;
}) {
  const path = rawPath(o.key);
  const signed = aws4.sign(
    {
      service: 's3',
      region: 'us-east-1',
      method: o.method,
      host: HOSTNAME,
      path: `${path}?${rawQuery(o.query)}`,
      headers: { 'X-Amz-Date': '20130524T000000Z', ...o.headers },
      body: 'hello',
    },
    { accessKeyId: ACCESS_KEY_ID, secretAccessKey: SECRET },
  );
  const sent = Object.entries(signed.headers ?? {}).map(([one, value]) => [one, String(value)] as const);
  return { method: o.method, path, query: rawQuery(o.query), headers: sent } satisfies SignedRequest;
}

describe('what others sign, verifies', () => {
  it('the AWS SDK, in a header', async () => {
    await fc.assert(
      fc.asyncProperty(request, async (one) => {
        expect(verify(await smithySigned(one)).claim.kind).toBe('header');
      }),
      { numRuns: RUNS },
    );
  });

  it('the AWS SDK, in a URL', async () => {
    await fc.assert(
      fc.asyncProperty(request, async (one) => {
        expect(verify(await smithyPresigned(one)).claim.kind).toBe('presigned');
      }),
      { numRuns: RUNS },
    );
  });

  it('aws4, in a header', () => {
    fc.assert(
      fc.property(request, (one) => {
        expect(verify(aws4Signed(one)).claim.kind).toBe('header');
      }),
      { numRuns: RUNS },
    );
  });
});

/** Replaces one character by another letter or digit. */
function mutate(value: string, position: number): string {
  const i = position % value.length;
  const replacement = value[i] === 'q' ? 'r' : 'q';
  return value.slice(0, i) + replacement + value.slice(i + 1);
}

/** The access key id in Authorization chooses the secret, which is fixed here; all that follows it is protected. */
function mutateHeader([name, value]: readonly [string, string], position: number): readonly [string, string] {
  const from = name === 'authorization' ? value.indexOf('/') + 1 : 0;
  return [name, value.slice(0, from) + mutate(value.slice(from), position)];
}

describe('what was changed after signing, is refused', () => {
  it('one character of path, query or any header', async () => {
    let tried = 0;
    await fc.assert(
      fc.asyncProperty(request, fc.nat(), fc.nat(), async (one, where, position) => {
        const signed = await smithySigned(one);
        expect(accepts(signed)).toBe(true);
        const header = signed.headers[where % signed.headers.length];
        const changed: SignedRequest[] = [
          { ...signed, path: `/${mutate(signed.path.slice(1), position)}` },
          { ...signed, query: signed.query === '' ? 'q' : mutate(signed.query, position) },
          {
            ...signed,
            headers: signed.headers.map((pair) => (pair === header ? mutateHeader(pair, position) : pair)),
          },
        ];
        for (const other of changed) {
          tried += 1;
          expect(accepts(other)).toBe(false);
        }
      }),
      { numRuns: RUNS },
    );
    expect(tried).toBe(RUNS * 3);
  });
});
