// Protects: what is refused from a request's headers before a byte of its body is read, each with S3's code and message, and what
// correct headers promise.
import { describe, expect, it } from 'vitest';
import { bodyExpectations } from '../../../proxy/body/expectations.ts';
import { S3Error, type S3ErrorCode } from '../../../proxy/errors.ts';
import type { PayloadMode } from '../../../sigv4/parse.ts';

const UNSIGNED: PayloadMode = { kind: 'unsigned' };
const TRAILER: PayloadMode = { kind: 'unsigned-trailer' };
const CRC32 = 'DUoRhQ==';

type Headers = Record<string, string>;

function expectations(headers: Headers, payload: PayloadMode) {
  return bodyExpectations(new Map(Object.entries(headers)), payload);
}

function refusal(headers: Headers, payload: PayloadMode): S3Error {
  try {
    expectations(headers, payload);
  } catch (error) {
    if (error instanceof S3Error) return error;
    throw error;
  }
  throw new Error('the headers were accepted');
}

const REFUSED: readonly (readonly [
  name: string,
  headers: Headers,
  payload: PayloadMode,
  code: S3ErrorCode,
  message?: RegExp,
])[] = [
  ['no length', {}, UNSIGNED, 'MissingContentLength'],
  ['no decoded length', { 'content-length': '52' }, TRAILER, 'MissingContentLength'],
  ['a negative length', { 'content-length': '-1' }, UNSIGNED, 'InvalidArgument'],
  ['a length in hex', { 'content-length': '0x10' }, UNSIGNED, 'InvalidArgument'],
  ['two lengths', { 'content-length': '1,2' }, UNSIGNED, 'InvalidArgument'],
  ['an empty length', { 'content-length': '' }, UNSIGNED, 'InvalidArgument'],
  ['a length beyond exact numbers', { 'content-length': '9007199254740992' }, UNSIGNED, 'InvalidArgument'],
  ['a decoded length that is no number', { 'x-amz-decoded-content-length': '1e3' }, TRAILER, 'InvalidArgument'],
  [
    'a Content-MD5 as a checksum, in hex',
    { 'content-length': '0', 'x-amz-checksum-md5': '00'.repeat(16) },
    UNSIGNED,
    'InvalidRequest',
    /^Value for x-amz-checksum-md5 header is invalid/,
  ],
  [
    'the checksums MD5 and XXHASH128, whose values look alike',
    {
      'content-length': '0',
      'x-amz-checksum-md5': '1B2M2Y8AsgTpgAmY7PhCfg==',
      'x-amz-checksum-xxhash128': '1B2M2Y8AsgTpgAmY7PhCfg==',
    },
    UNSIGNED,
    'InvalidRequest',
    /^Expecting a single/,
  ],
  ['an empty Content-MD5', { 'content-length': '0', 'content-md5': '' }, UNSIGNED, 'InvalidDigest'],
  ['a Content-MD5 in hex', { 'content-length': '0', 'content-md5': '00'.repeat(16) }, UNSIGNED, 'InvalidDigest'],
  ['a Content-MD5 of 4 bytes', { 'content-length': '0', 'content-md5': CRC32 }, UNSIGNED, 'InvalidDigest'],
  [
    'two checksums',
    { 'content-length': '0', 'x-amz-checksum-crc32': CRC32, 'x-amz-checksum-crc32c': CRC32 },
    UNSIGNED,
    'InvalidRequest',
    /^Expecting a single/,
  ],
  [
    'a checksum both in a header and announced as a trailer',
    { 'x-amz-decoded-content-length': '0', 'x-amz-checksum-crc32': CRC32, 'x-amz-trailer': 'x-amz-checksum-crc32' },
    TRAILER,
    'InvalidRequest',
    /^Expecting a single/,
  ],
  [
    'two trailers',
    { 'x-amz-decoded-content-length': '0', 'x-amz-trailer': 'x-amz-checksum-crc32, x-amz-checksum-sha1' },
    TRAILER,
    'InvalidRequest',
    /^Expecting a single/,
  ],
  [
    'a checksum that is not base64',
    { 'content-length': '0', 'x-amz-checksum-crc32': 'bad!' },
    UNSIGNED,
    'InvalidRequest',
    /^Value for x-amz-checksum-crc32 header is invalid/,
  ],
  [
    'a checksum of another length',
    { 'content-length': '0', 'x-amz-checksum-sha256': CRC32 },
    UNSIGNED,
    'InvalidRequest',
    /^Value for x-amz-checksum-sha256 header is invalid/,
  ],
  [
    'an empty checksum',
    { 'content-length': '0', 'x-amz-checksum-crc32': '' },
    UNSIGNED,
    'InvalidRequest',
    /^Value for/,
  ],
  [
    'a checksum given twice',
    { 'content-length': '0', 'x-amz-checksum-crc32': `${CRC32},${CRC32}` },
    UNSIGNED,
    'InvalidRequest',
    /^Value for/,
  ],
  [
    'a 128-bit value for a 64-bit algorithm',
    { 'content-length': '0', 'x-amz-checksum-xxhash3': '1B2M2Y8AsgTpgAmY7PhCfg==' },
    UNSIGNED,
    'InvalidRequest',
    /^Value for x-amz-checksum-xxhash3 header is invalid/,
  ],
  [
    'an algorithm that S3 does not have',
    { 'content-length': '0', 'x-amz-sdk-checksum-algorithm': 'SHA384' },
    UNSIGNED,
    'InvalidRequest',
    /unsupported/,
  ],
  [
    'an algorithm that S3 does not have, in the trailer',
    { 'x-amz-decoded-content-length': '0', 'x-amz-trailer': 'x-amz-checksum-sha384' },
    TRAILER,
    'InvalidRequest',
    /not supported/,
  ],
  [
    'an algorithm without a checksum',
    { 'content-length': '0', 'x-amz-sdk-checksum-algorithm': 'CRC32' },
    UNSIGNED,
    'InvalidRequest',
    /no corresponding/,
  ],
  [
    'an algorithm and the checksum of another',
    { 'content-length': '0', 'x-amz-sdk-checksum-algorithm': 'SHA1', 'x-amz-checksum-crc32': CRC32 },
    UNSIGNED,
    'InvalidRequest',
    /^Value for x-amz-sdk-checksum-algorithm header is invalid/,
  ],
  [
    'an algorithm and the trailer of another',
    {
      'x-amz-decoded-content-length': '0',
      'x-amz-sdk-checksum-algorithm': 'SHA1',
      'x-amz-trailer': 'x-amz-checksum-crc32',
    },
    TRAILER,
    'InvalidRequest',
    /^Value for x-amz-sdk-checksum-algorithm header is invalid/,
  ],
  [
    'an unknown x-amz-checksum-algorithm',
    { 'content-length': '0', 'x-amz-checksum-algorithm': 'CRC31' },
    UNSIGNED,
    'InvalidRequest',
    /unsupported/,
  ],
  [
    'a trailer announced without a body that has one',
    { 'content-length': '0', 'x-amz-trailer': 'x-amz-checksum-crc32' },
    UNSIGNED,
    'MalformedTrailerError',
  ],
  [
    'a trailer announced in signed chunks without trailer',
    { 'x-amz-decoded-content-length': '0', 'x-amz-trailer': 'x-amz-checksum-crc32' },
    { kind: 'signed-chunks', trailer: false },
    'MalformedTrailerError',
  ],
  [
    'a trailer that is not a checksum',
    { 'x-amz-decoded-content-length': '0', 'x-amz-trailer': 'x-amz-meta-a' },
    TRAILER,
    'InvalidRequest',
    /x-amz-trailer header is not supported/,
  ],
  [
    'an empty x-amz-trailer',
    { 'x-amz-decoded-content-length': '0', 'x-amz-trailer': '' },
    TRAILER,
    'InvalidRequest',
    /x-amz-trailer header is not supported/,
  ],
];

describe('refused from the headers', () => {
  it('are 31 cases', () => expect(REFUSED).toHaveLength(31));

  for (const [name, headers, payload, code, message] of REFUSED) {
    it(name, () => {
      const error = refusal(headers, payload);
      expect(error.code).toBe(code);
      if (message !== undefined) expect(error.message).toMatch(message);
    });
  }
});

describe('promised', () => {
  it('a length alone', () => {
    expect(expectations({ 'content-length': '11' }, UNSIGNED)).toEqual({ plainBytes: 11 });
  });

  it('the decoded length of a chunked body, whatever Content-Length says', () => {
    const headers = { 'content-length': '52', 'x-amz-decoded-content-length': '11' };
    expect(expectations(headers, TRAILER)).toEqual({ plainBytes: 11 });
    expect(expectations(headers, { kind: 'signed-chunks', trailer: false })).toEqual({ plainBytes: 11 });
  });

  it('SHA-256, MD5 and a checksum, all at once', () => {
    const hex = 'b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9';
    const headers = {
      'content-length': '11',
      'content-md5': 'XrY7u+Ae7tCTyyK7j1rNww==',
      'x-amz-checksum-crc32': CRC32,
      'x-amz-sdk-checksum-algorithm': 'crc32',
    };
    expect(expectations(headers, { kind: 'sha256', hex })).toEqual({
      plainBytes: 11,
      contentMd5: Buffer.from('5eb63bbbe01eeed093cb22bb8f5acdc3', 'hex'),
      checksum: { algorithm: 'CRC32', value: Buffer.from('0d4a1185', 'hex') },
      sha256Hex: hex,
    });
  });

  it('a checksum in the trailer', () => {
    const headers = {
      'x-amz-decoded-content-length': '11',
      'x-amz-trailer': 'X-Amz-Checksum-Crc64nvme',
      'x-amz-sdk-checksum-algorithm': 'CRC64NVME',
    };
    expect(expectations(headers, TRAILER)).toEqual({
      plainBytes: 11,
      checksum: { algorithm: 'CRC64NVME', value: 'trailer' },
    });
  });

  it('a checksum asked for without a value, unless there is one', () => {
    const asked = { 'content-length': '0', 'x-amz-checksum-algorithm': 'SHA1' };
    expect(expectations(asked, UNSIGNED)).toEqual({ plainBytes: 0, computeOnly: 'SHA1' });
    const both = expectations({ ...asked, 'x-amz-checksum-crc32': 'AAAAAA==' }, UNSIGNED);
    expect(both.computeOnly).toBeUndefined();
    expect(both.checksum?.algorithm).toBe('CRC32');
  });

  it('through a lookup function as through a map', () => {
    const header = (name: string) => (name === 'content-length' ? '5' : undefined);
    expect(bodyExpectations(header, UNSIGNED)).toEqual({ plainBytes: 5 });
  });
});
