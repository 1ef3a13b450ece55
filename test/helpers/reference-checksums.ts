/** Every checksum of S3, from its definition or from another library: a slow oracle for the fast ones. Values are base64. */
import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { xxh3, xxh64 } from '@node-rs/xxhash';

export const ALGORITHMS = [
  'CRC32',
  'CRC32C',
  'CRC64NVME',
  'SHA1',
  'SHA256',
  'SHA512',
  'MD5',
  'XXHASH64',
  'XXHASH3',
  'XXHASH128',
] as const;
export type Algorithm = (typeof ALGORITHMS)[number];

const known = new WeakMap<Buffer, Map<Algorithm, string>>();

/** Computed once for each buffer, which must not change. */
export function referenceChecksum(algorithm: Algorithm, data: Buffer): string {
  const values = known.get(data) ?? new Map<Algorithm, string>();
  known.set(data, values);
  const value = values.get(algorithm) ?? compute(algorithm, data);
  values.set(algorithm, value);
  return value;
}

function compute(algorithm: Algorithm, data: Buffer): string {
  switch (algorithm) {
    case 'CRC32':
      return bigEndian(BigInt(crc32(data)), 4);
    case 'CRC32C':
      return bigEndian(reflectedCrc(data, 0x82f63b78n, 32n), 4);
    case 'CRC64NVME':
      return bigEndian(reflectedCrc(data, 0x9a6c9329ac4bc9b5n, 64n), 8);
    case 'SHA1':
    case 'SHA256':
    case 'SHA512':
    case 'MD5':
      return createHash(algorithm).update(data).digest('base64');
    case 'XXHASH64':
      return bigEndian(xxh64(data), 8);
    case 'XXHASH3':
      return bigEndian(xxh3.xxh64(data), 8);
    case 'XXHASH128':
      return bigEndian(xxh3.xxh128(data), 16);
  }
}

/** A reflected CRC with all ones at both ends, by a table of what each byte does. */
function reflectedCrc(data: Buffer, polynomial: bigint, width: bigint): bigint {
  const table = Array.from({ length: 256 }, (_, byte) => {
    let state = BigInt(byte);
    for (let bit = 0; bit < 8; bit++) state = (state & 1n) === 1n ? (state >> 1n) ^ polynomial : state >> 1n;
    return state;
  });
  const ones = (1n << width) - 1n;
  let state = ones;
  for (const byte of data) state = (state >> 8n) ^ (table[Number(state & 0xffn) ^ byte] ?? 0n);
  return state ^ ones;
}

function bigEndian(value: bigint, bytes: number): string {
  return Buffer.from(value.toString(16).padStart(bytes * 2, '0'), 'hex').toString('base64');
}
