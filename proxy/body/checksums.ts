/**
 * Every checksum algorithm that S3 clients send, behind one incremental interface.
 *
 * Source: Amazon S3 user guide, "Checking object integrity"; lengths of values are those of the format (crypto/checksums.ts).
 */
import { createHash } from 'node:crypto';
import { crc32, crc32c } from '@node-rs/crc32';
import { type ChecksumAlgorithm, checksumAlgorithms, checksumBytes } from '../../crypto/checksums.ts';
import { Crc64Nvme } from './crc64nvme.ts';
import { XxHash } from './xxhash.ts';

/** As S3 names it: `CRC32`, `SHA256`, ... */
export type ChecksumName = ChecksumAlgorithm;

export interface Hasher {
  update(data: Buffer): void;
  /** Raw bytes, most significant first. Ends the hasher. */
  digest(): Buffer;
}

export const CHECKSUM_NAMES: readonly ChecksumName[] = checksumAlgorithms();

export function createHasher(algorithm: ChecksumName): Hasher {
  switch (algorithm) {
    case 'CRC32':
      return crc32Hasher(crc32);
    case 'CRC32C':
      return crc32Hasher(crc32c);
    case 'CRC64NVME':
      return new Crc64Nvme();
    case 'SHA1':
    case 'SHA256':
    case 'SHA512':
    case 'MD5':
      return createHash(algorithm);
    case 'XXHASH64':
    case 'XXHASH3':
    case 'XXHASH128':
      return new XxHash(algorithm);
  }
}

/** A checksum's algorithm by its S3 name, in any case; `undefined` for one that S3 does not have. */
export function checksumName(text: string): ChecksumName | undefined {
  const upper = text.toUpperCase();
  return CHECKSUM_NAMES.find((name) => name === upper);
}

/** The message of S3 for an algorithm that it does not have. */
export const UNKNOWN_ALGORITHM = `Checksum algorithm provided is unsupported. Please try again with any of the valid types: [${CHECKSUM_NAMES.join(', ')}]`;

/** Lower-case name of the header, or trailer, that carries a value. */
export function checksumHeader(algorithm: string): string {
  return `x-amz-checksum-${algorithm.toLowerCase()}`;
}

/** Bytes of base64 text when it is canonical and `bytes` long; else `undefined`. */
export function decodeBase64(text: string, bytes: number): Buffer | undefined {
  const value = Buffer.from(text, 'base64');
  return value.length === bytes && value.toString('base64') === text ? value : undefined;
}

/** A checksum's value; `undefined` when it is not base64 of the algorithm's length. */
export function decodeChecksum(algorithm: ChecksumName, text: string): Buffer | undefined {
  return decodeBase64(text, checksumBytes(algorithm));
}

function crc32Hasher(step: (data: Uint8Array, state: number) => number): Hasher {
  let state = 0;
  return {
    update(data) {
      state = step(data, state);
    },
    digest() {
      const value = Buffer.alloc(4);
      value.writeUInt32BE(state);
      return value;
    },
  };
}
