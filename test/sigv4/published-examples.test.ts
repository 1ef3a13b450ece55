// Protects: verification of the examples that AWS publishes for S3, end to end through parseClaim and verifyRequest: signed
// headers, a presigned URL, and both chunked uploads with every chunk's signature.
import { describe, expect, it } from 'vitest';
import { EMPTY_SHA256 } from '../../sigv4/constants.ts';
import type { HeaderPair } from '../../sigv4/headers.ts';
import { parseClaim, type SignedRequest } from '../../sigv4/parse.ts';
import { verifyRequest } from '../../sigv4/verify.ts';
import { HOST, NOW, sha256Hex, signingSecret } from '../helpers/sign-request.ts';

const CREDENTIAL = 'AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request';

function verify(request: SignedRequest) {
  return verifyRequest(request, parseClaim(request), { signingSecret: signingSecret(), now: NOW, region: 'us-east-1' });
}

interface Example {
  readonly method: string;
  readonly path: string;
  readonly query?: string;
  readonly headers?: readonly HeaderPair[];
  readonly sha256?: string;
  readonly signed: string;
  readonly signature: string;
}

function request(example: Example): SignedRequest {
  return {
    method: example.method,
    path: example.path,
    query: example.query ?? '',
    headers: [
      ['Host', HOST],
      // With a comma and no space, as some clients send it.
      [
        'Authorization',
        `AWS4-HMAC-SHA256 Credential=${CREDENTIAL},SignedHeaders=${example.signed},Signature=${example.signature}`,
      ],
      ['x-amz-date', '20130524T000000Z'],
      ['x-amz-content-sha256', example.sha256 ?? EMPTY_SHA256],
      ...(example.headers ?? []),
    ],
  };
}

const EXAMPLES: Readonly<Record<string, Example>> = {
  'GET with a range': {
    method: 'GET',
    path: '/test.txt',
    headers: [['Range', 'bytes=0-9']],
    signed: 'host;range;x-amz-content-sha256;x-amz-date',
    signature: 'f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
  },
  'PUT of a name with a dollar sign': {
    method: 'PUT',
    path: '/test$file.text',
    headers: [
      ['Date', 'Fri, 24 May 2013 00:00:00 GMT'],
      ['x-amz-storage-class', 'REDUCED_REDUNDANCY'],
    ],
    sha256: sha256Hex('Welcome to Amazon S3.'),
    signed: 'date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class',
    signature: '98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd',
  },
  'GET of a subresource': {
    method: 'GET',
    path: '/',
    query: 'lifecycle',
    signed: 'host;x-amz-content-sha256;x-amz-date',
    signature: 'fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543',
  },
  'a listing': {
    method: 'GET',
    path: '/',
    query: 'max-keys=2&prefix=J',
    signed: 'host;x-amz-content-sha256;x-amz-date',
    signature: '34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7',
  },
};

describe('published signatures', () => {
  it('are four', () => expect(Object.keys(EXAMPLES)).toHaveLength(4));

  for (const [name, example] of Object.entries(EXAMPLES)) {
    it(name, () => {
      const { claim, payload, chunks } = verify(request(example));
      expect(claim.kind).toBe('header');
      expect(claim.accessKeyId).toBe('AKIAIOSFODNN7EXAMPLE');
      expect(payload).toEqual({ kind: 'sha256', hex: example.sha256 ?? EMPTY_SHA256 });
      expect(chunks).toBeUndefined();
    });
  }

  it('a presigned URL', () => {
    const parameters = [
      'X-Amz-Algorithm=AWS4-HMAC-SHA256',
      `X-Amz-Credential=${encodeURIComponent(CREDENTIAL)}`,
      'X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host',
      'X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404',
    ];
    const { claim, payload } = verify({
      method: 'GET',
      path: '/test.txt',
      query: parameters.join('&'),
      headers: [['Host', HOST]],
    });
    expect(claim.kind).toBe('presigned');
    expect(claim.expires).toBe(86_400);
    expect(payload).toEqual({ kind: 'unsigned' });
  });
});

const CHUNK_HASHES = [sha256Hex('a'.repeat(65_536)), sha256Hex('a'.repeat(1024)), EMPTY_SHA256];

function chunkedRequest(o: {
  sha256: string;
  signed: string;
  signature: string;
  headers: readonly HeaderPair[];
}): SignedRequest {
  const base = request({
    method: 'PUT',
    path: '/examplebucket/chunkObject.txt',
    headers: [
      ['x-amz-storage-class', 'REDUCED_REDUNDANCY'],
      ['Content-Encoding', 'aws-chunked'],
      ['x-amz-decoded-content-length', '66560'],
      ...o.headers,
    ],
    sha256: o.sha256,
    signed: o.signed,
    signature: o.signature,
  });
  return {
    ...base,
    headers: base.headers.map(([name, value]): HeaderPair => [name, name === 'Host' ? 's3.amazonaws.com' : value]),
  };
}

describe('published chunk signatures', () => {
  it('without a trailer', () => {
    const { payload, chunks } = verify(
      chunkedRequest({
        sha256: 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD',
        headers: [['Content-Length', '66824']],
        signed:
          'content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class',
        signature: '4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9',
      }),
    );
    expect(payload).toEqual({ kind: 'signed-chunks', trailer: false });
    const signatures = [
      'ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648',
      '0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497',
      'b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9',
    ];
    expect(chunks).toBeDefined();
    signatures.forEach((signature, i) => {
      chunks?.verifyChunk(CHUNK_HASHES[i] ?? '', signature);
    });
  });

  it('with a crc32c trailer', () => {
    const { payload, chunks } = verify(
      chunkedRequest({
        sha256: 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER',
        headers: [['x-amz-trailer', 'x-amz-checksum-crc32c']],
        signed:
          'content-encoding;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class;x-amz-trailer',
        signature: '106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e',
      }),
    );
    expect(payload).toEqual({ kind: 'signed-chunks', trailer: true });
    const signatures = [
      'b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2',
      '1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7',
      '2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992',
    ];
    expect(chunks).toBeDefined();
    signatures.forEach((signature, i) => {
      chunks?.verifyChunk(CHUNK_HASHES[i] ?? '', signature);
    });
    chunks?.verifyTrailer(
      'x-amz-checksum-crc32c:sOO8/Q==\n',
      'd81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435',
    );
  });
});
