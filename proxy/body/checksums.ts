/**
 * Every checksum algorithm that S3 clients send, behind one incremental interface.
 *
 * Source: Amazon S3 user guide, "Checking object integrity". The newer algorithms (SHA512, MD5 as a checksum, XXHASH*) are
 * named here so that they are refused with a clear answer, never stored unchecked.
 */
import { createHash } from 'node:crypto';
import { crc32, crc32c } from '@node-rs/crc32';
import type { ChecksumAlgorithm } from '../../crypto/checksums.ts';
import { Crc64Nvme } from './crc64nvme.ts';

export type ChecksumName = Extract<ChecksumAlgorithm, 'CRC32' | 'CRC32C' | 'CRC64NVME' | 'SHA1' | 'SHA256'>;

export interface Hasher {
  update(data: Buffer): void;
  /** Raw bytes, most significant first. Ends the hasher. */
  digest(): Buffer;
}

const VALUE_BYTES: Readonly<Record<ChecksumName, number>> = { CRC32: 4, CRC32C: 4, CRC64NVME: 8, SHA1: 20, SHA256: 32 };

export const CHECKSUM_NAMES = Object.keys(VALUE_BYTES) as readonly ChecksumName[];
export const UNSUPPORTED_CHECKSUMS: readonly string[] = ['SHA512', 'MD5', 'XXHASH64', 'XXHASH3', 'XXHASH128'];

export function createHasher(algorithm: ChecksumName | 'MD5'): Hasher {
  switch (algorithm) {
    case 'CRC32':
      return crc32Hasher(crc32);
    case 'CRC32C':
      return crc32Hasher(crc32c);
    case 'CRC64NVME':
      return new Crc64Nvme();
    case 'SHA1':
    case 'SHA256':
    case 'MD5':
      return createHash(algorithm);
  }
}

/** A checksum's algorithm by its S3 name, in any case; `undefined` for one that is not supported. */
export function checksumName(text: string): ChecksumName | undefined {
  const upper = text.toUpperCase();
  return CHECKSUM_NAMES.find((name) => name === upper);
}

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
  return decodeBase64(text, VALUE_BYTES[algorithm]);
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
