// Protects: bodies exactly as current clients send them, headers and framing: boto3 and aws-cli over http and https, the AWS SDK
// for JavaScript with buffers and streams, and AWS's published chunked uploads. Lengths, first bytes and checksums are those
// seen on the wire.

import { describe, expect, it } from 'vitest';
import { openBody } from '../../../proxy/body/verified-body.ts';
import { parseClaim } from '../../../sigv4/parse.ts';
import { verifyRequest } from '../../../sigv4/verify.ts';
import { chunkedBody } from '../../helpers/aws-chunked-body.ts';
import { MiB } from '../../helpers/bytes.ts';
import { NOW, signByHeader, signingSecret } from '../../helpers/sign-request.ts';

interface Upload {
  readonly payload: Buffer;
  readonly contentSha256: string;
  readonly headers: Record<string, string>;
  readonly body: Buffer;
  readonly wireBytes: number;
  readonly starts: string;
  readonly crc32: string;
}

/** Over http: the plain body, its SHA-256 signed, the checksum in a header. */
function plain(payload: Buffer, crc32: string, contentSha256: string): Upload {
  const headers = {
    'content-length': String(payload.length),
    'x-amz-checksum-crc32': crc32,
    'x-amz-sdk-checksum-algorithm': 'CRC32',
  };
  const starts = payload.subarray(0, 30).toString('latin1');
  return { payload, contentSha256, headers, body: payload, wireBytes: payload.length, starts, crc32 };
}

/** Over https, and for streams: no Content-Length, an unsigned trailer. */
function streamed(
  payload: Buffer,
  o: { chunkBytes: number; crc32: string; wireBytes: number; starts: string },
): Upload {
  return {
    payload,
    contentSha256: 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
    headers: {
      'transfer-encoding': 'chunked',
      'content-encoding': 'aws-chunked',
      'x-amz-trailer': 'x-amz-checksum-crc32',
      'x-amz-decoded-content-length': String(payload.length),
      'x-amz-sdk-checksum-algorithm': 'CRC32',
    },
    body: chunkedBody({
      payload,
      chunkBytes: o.chunkBytes,
      trailer: { name: 'x-amz-checksum-crc32', value: o.crc32 },
    }),
    wireBytes: o.wireBytes,
    starts: o.starts,
    crc32: o.crc32,
  };
}

const HELLO = Buffer.from('hello world');
const X200K = Buffer.alloc(200_000, 'x');

const UPLOADS: Readonly<Record<string, Upload>> = {
  'boto3, http, small': plain(HELLO, 'DUoRhQ==', 'b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9'),
  'boto3, http, file': plain(X200K, 'Ub8Ccg==', '91e3faafd322bcdf160f3f0ce886acb092b9b9e2a1e8526b40f21a8898a8700b'),
  'boto3, http, empty': plain(
    Buffer.alloc(0),
    'AAAAAA==',
    'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
  ),
  'boto3, http, part of 8 MiB': plain(
    Buffer.alloc(8 * MiB, 'y'),
    'cHdEuw==',
    '955a11ec895891b769195ad76e719d4e47b7cdac3b172e59fe770bad50bd6f7c',
  ),
  'boto3, https, small': streamed(HELLO, {
    chunkBytes: MiB,
    crc32: 'DUoRhQ==',
    wireBytes: 52,
    starts: 'b\r\nhello world\r\n0\r\nx-amz-check',
  }),
  'boto3, https, file': streamed(X200K, {
    chunkBytes: MiB,
    crc32: 'Ub8Ccg==',
    wireBytes: 200_045,
    starts: '30d40\r\nxxxxxxxxxxxxxxxxxxxxxxx',
  }),
  'boto3, https, empty': streamed(Buffer.alloc(0), {
    chunkBytes: MiB,
    crc32: 'AAAAAA==',
    wireBytes: 36,
    starts: '0\r\nx-amz-checksum-crc32:AAAAAA',
  }),
  'boto3, https, part of 1 MiB': streamed(Buffer.alloc(MiB, 'y'), {
    chunkBytes: MiB,
    crc32: 'n4IZkQ==',
    wireBytes: 1_048_622,
    starts: '100000\r\nyyyyyyyyyyyyyyyyyyyyyy',
  }),
  'boto3, https, part of 8 MiB': streamed(Buffer.alloc(8 * MiB, 'y'), {
    chunkBytes: MiB,
    crc32: 'cHdEuw==',
    wireBytes: 8_388_724,
    starts: '100000\r\nyyyyyyyyyyyyyyyyyyyyyy',
  }),
  'JavaScript SDK, buffer': plain(
    Buffer.alloc(3_000_000, 'y'),
    'l8oVnQ==',
    'a15eccdf749efef969201041efe1e4bb687bffbcf1fe627d4af4b9a558e259b1',
  ),
  'JavaScript SDK, stream': streamed(Buffer.alloc(3_000_000, 'x'), {
    chunkBytes: 65_536,
    crc32: '8OlPjw==',
    wireBytes: 3_000_449,
    starts: '10000\r\nxxxxxxxxxxxxxxxxxxxxxxx',
  }),
  'aws-cli, http': plain(
    Buffer.alloc(100_000),
    '1BGVfQ==',
    '9192c25b734fcbadbe32dadc28089c60db0e39f90cc20ce2e5733f57261acc0c',
  ),
};

/** As a socket delivers it. */
async function* reads(body: Buffer): AsyncGenerator<Buffer> {
  for (let at = 0; at < body.length; at += 65_536) yield body.subarray(at, at + 65_536);
}

describe('uploads seen on the wire', () => {
  it('are twelve', () => expect(Object.keys(UPLOADS)).toHaveLength(12));

  for (const [name, upload] of Object.entries(UPLOADS)) {
    it(name, async () => {
      expect(upload.body).toHaveLength(upload.wireBytes);
      expect(upload.body.subarray(0, 30).toString('latin1')).toBe(upload.starts);

      const { headers, contentSha256 } = upload;
      const signed = Object.entries(headers).filter(([one]) => one !== 'transfer-encoding');
      const request = signByHeader({ method: 'PUT', payload: contentSha256, headers: signed });
      const verified = verifyRequest(request, parseClaim(request), { signingSecret: signingSecret(), now: NOW });
      const body = openBody({ source: reads(upload.body), header: (one) => headers[one], verified });
      const slices: Buffer[] = [];
      for await (const slice of body.chunks) slices.push(slice);
      expect(Buffer.concat(slices).equals(upload.payload)).toBe(true);
      expect(body.plainBytes).toBe(upload.payload.length);
      expect(body.result().checksums).toEqual([{ algorithm: 'CRC32', value: Buffer.from(upload.crc32, 'base64') }]);
    });
  }
});

describe('the chunked uploads that AWS publishes', () => {
  const payload = Buffer.alloc(66_560, 'a');
  const SIGNED = {
    Authorization:
      'AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders={},Signature={}',
    Host: 's3.amazonaws.com',
    'x-amz-date': '20130524T000000Z',
    'x-amz-storage-class': 'REDUCED_REDUNDANCY',
    'Content-Encoding': 'aws-chunked',
    'x-amz-decoded-content-length': '66560',
  };

  function published(o: {
    headers: Record<string, string>;
    signed: string;
    seed: string;
    signatures: readonly [string, string, string];
    tail: string;
  }) {
    const authorization = SIGNED.Authorization.replace('{}', o.signed).replace('{}', o.seed);
    const headers: Record<string, string> = { ...SIGNED, ...o.headers, Authorization: authorization };
    const lower = new Map(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
    const request = {
      method: 'PUT',
      path: '/examplebucket/chunkObject.txt',
      query: '',
      headers: Object.entries(headers),
    };
    const verified = verifyRequest(request, parseClaim(request), { signingSecret: signingSecret(), now: NOW });
    const [first, second, last] = o.signatures;
    const body = Buffer.concat([
      Buffer.from(`10000;chunk-signature=${first}\r\n`),
      payload.subarray(0, 65_536),
      Buffer.from(`\r\n400;chunk-signature=${second}\r\n`),
      payload.subarray(65_536),
      Buffer.from(`\r\n0;chunk-signature=${last}\r\n${o.tail}`),
    ]);
    return { body, opened: openBody({ source: reads(body), header: (name) => lower.get(name), verified }) };
  }

  it('without a trailer, 66,824 bytes on the wire', async () => {
    const { body, opened } = published({
      headers: { 'x-amz-content-sha256': 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD', 'Content-Length': '66824' },
      signed:
        'content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class',
      seed: '4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9',
      signatures: [
        'ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648',
        '0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497',
        'b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9',
      ],
      tail: '\r\n',
    });
    expect(body).toHaveLength(66_824);
    const slices: Buffer[] = [];
    for await (const slice of opened.chunks) slices.push(slice);
    expect(Buffer.concat(slices).equals(payload)).toBe(true);
  });

  it('with a crc32c trailer', async () => {
    const { opened } = published({
      headers: {
        'x-amz-content-sha256': 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER',
        'x-amz-trailer': 'x-amz-checksum-crc32c',
      },
      signed:
        'content-encoding;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class;x-amz-trailer',
      seed: '106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e',
      signatures: [
        'b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2',
        '1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7',
        '2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992',
      ],
      tail: `x-amz-checksum-crc32c:sOO8/Q==\n\r\nx-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n`,
    });
    const slices: Buffer[] = [];
    for await (const slice of opened.chunks) slices.push(slice);
    expect(Buffer.concat(slices).equals(payload)).toBe(true);
    expect(opened.result().checksums).toEqual([{ algorithm: 'CRC32C', value: Buffer.from('sOO8/Q==', 'base64') }]);
  });
});
