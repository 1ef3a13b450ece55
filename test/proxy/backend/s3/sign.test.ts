// Protects: what is signed is what is sent, for every awkward key and query, by the word of an independent signer.
import { createHash, createHmac } from 'node:crypto';
import { SignatureV4 } from '@smithy/signature-v4';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { QueryParameter } from '../../../../proxy/backend/backend.ts';
import { signRequest } from '../../../../proxy/backend/s3/sign.ts';
import { requestTarget } from '../../../../proxy/backend/s3/target.ts';
import { AWKWARD_KEYS, AWKWARD_VALUES } from './awkward-keys.ts';

const credentials = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY' };
const now = new Date('2026-02-03T04:05:06.789Z');
const addressing = { endpoint: new URL('http://store.example:9000'), pathStyle: true };

class Sha256 {
  readonly #hash;
  constructor(secret?: string | ArrayBuffer | ArrayBufferView) {
    this.#hash = secret === undefined ? createHash('sha256') : createHmac('sha256', toBuffer(secret));
  }
  update(data: string | ArrayBuffer | ArrayBufferView) {
    this.#hash.update(toBuffer(data));
  }
  async digest() {
    return new Uint8Array(this.#hash.digest());
  }
  reset() {}
}

function toBuffer(data: string | ArrayBuffer | ArrayBufferView): Buffer {
  if (typeof data === 'string') return Buffer.from(data);
  return ArrayBuffer.isView(data) ? Buffer.from(data.buffer, data.byteOffset, data.byteLength) : Buffer.from(data);
}

interface Case {
  readonly method?: string;
  readonly key?: string;
  readonly query?: readonly QueryParameter[];
  readonly headers?: Record<string, string>;
  readonly sessionToken?: string;
  readonly hasBody?: boolean;
}

async function bothSignatures(c: Case): Promise<{ ours: string | undefined; oracle: string | undefined }> {
  const { method = 'PUT', key, query = [], headers = {}, hasBody = true } = c;
  const token = c.sessionToken === undefined ? {} : { sessionToken: c.sessionToken };
  const target = requestTarget(addressing, { bucket: 'data', ...(key === undefined ? {} : { key }), query });
  const signed = signRequest(
    { method, ...target, headers, hasBody },
    { credentials: { ...credentials, ...token }, region: 'eu-west-3', now },
  );
  const signer = new SignatureV4({
    service: 's3',
    region: 'eu-west-3',
    credentials: { ...credentials, ...token },
    sha256: Sha256,
    uriEscapePath: false,
    applyChecksum: false,
  });
  const oracle = await signer.sign(
    {
      method,
      protocol: 'http:',
      hostname: 'store.example',
      path: target.path.split('?')[0] ?? '',
      query: Object.fromEntries(query),
      headers: { ...headers, host: target.host, 'x-amz-content-sha256': signed['x-amz-content-sha256'] ?? '' },
    },
    { signingDate: now, unsignableHeaders: new Set(['range', 'expect']) },
  );
  const { authorization: ours } = signed;
  const { authorization: oracles } = oracle.headers;
  return { ours, oracle: oracles };
}

describe('agrees with an independent signer', () => {
  test('for every awkward key', async () => {
    let cases = 0;
    for (const key of AWKWARD_KEYS) {
      const { ours, oracle } = await bothSignatures({ key, headers: { 'content-length': '3' } });
      expect(ours, JSON.stringify(key)).toBe(oracle);
      expect(ours).toMatch(/^AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE\/20260203\/eu-west-3\/s3\/aws4_request, /);
      cases++;
    }
    expect(cases).toBe(23);
  });

  test('for every awkward query value, and names that sort oddly', async () => {
    for (const value of AWKWARD_VALUES) {
      const query: QueryParameter[] = [
        ['prefix', value],
        ['acl', ''],
        ['X-upper', 'u'],
        ['a-b', value],
        ['a', 'z'],
      ];
      const { ours, oracle } = await bothSignatures({ method: 'GET', query, hasBody: false });
      expect(ours, JSON.stringify(value)).toBe(oracle);
    }
    expect(AWKWARD_VALUES).toHaveLength(10);
  });

  test('for any key and value', async () => {
    const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 });
    await fc.assert(
      fc.asyncProperty(text, text, async (key, value) => {
        const { ours, oracle } = await bothSignatures({ key, query: [['versionId', value]] });
        expect(ours).toBe(oracle);
      }),
      { numRuns: 200 },
    );
  });

  test.each<[string, Case]>([
    [
      'metadata and conditions',
      { key: 'k', headers: { 'x-amz-meta-a': '  two   spaces ', 'if-none-match': '*', range: 'bytes=0-1' } },
    ],
    ['a session token', { key: 'k', sessionToken: 'token/+=' }],
    ['a copy source', { key: 'k', headers: { 'x-amz-copy-source': '/b/a%20b%2B?versionId=3' }, hasBody: false }],
  ])('with %s', async (_, c) => {
    const { ours, oracle } = await bothSignatures(c);
    expect(ours).toBe(oracle);
  });
});

test('bodies are unsigned, no body is signed as the empty one', () => {
  const sign = (hasBody: boolean) =>
    signRequest({ method: 'PUT', host: 'h', path: '/b/k', headers: {}, hasBody }, { credentials, region: 'r', now });
  expect(sign(true)['x-amz-content-sha256']).toBe('UNSIGNED-PAYLOAD');
  expect(sign(false)['x-amz-content-sha256']).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
  expect(sign(false)['x-amz-date']).toBe('20260203T040506Z');
});

test('a header of UTF-8 bytes is signed as those bytes, and sent unchanged', async () => {
  const bytes = Buffer.from('grün').toString('latin1');
  const signed = signRequest(
    { method: 'PUT', host: 'h', path: '/b/k', headers: { 'x-amz-meta-a': bytes }, hasBody: true },
    { credentials, region: 'r', now },
  );
  const { authorization: other } = signRequest(
    { method: 'PUT', host: 'h', path: '/b/k', headers: { 'x-amz-meta-a': 'grun' }, hasBody: true },
    { credentials, region: 'r', now },
  );
  const { authorization, 'x-amz-meta-a': sent } = signed;
  expect(sent).toBe(bytes);
  expect(authorization).not.toBe(other);
  expect(() =>
    signRequest(
      { method: 'PUT', host: 'h', path: '/b/k', headers: { 'x-amz-meta-a': '\xff' }, hasBody: true },
      { credentials, region: 'r', now },
    ),
  ).toThrowError(expect.objectContaining({ code: 'InvalidArgument' }));
});
