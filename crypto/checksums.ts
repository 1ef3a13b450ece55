/**
 * The checksum algorithms of S3, their ids in the format and the length of their values (FORMAT.md section 5.4).
 */
const TABLE = {
  CRC32: [1, 4],
  CRC32C: [2, 4],
  CRC64NVME: [3, 8],
  SHA1: [4, 20],
  SHA256: [5, 32],
  SHA512: [6, 64],
  MD5: [7, 16],
  XXHASH64: [8, 8],
  XXHASH3: [9, 8],
  XXHASH128: [10, 16],
} as const;

export type ChecksumAlgorithm = keyof typeof TABLE;
export type ChecksumType = 'FULL_OBJECT' | 'COMPOSITE';

export interface Checksum {
  readonly algorithm: ChecksumAlgorithm;
  readonly type: ChecksumType;
  /** Raw bytes, most significant first; for COMPOSITE the digest of the parts' digests, without the `-N`. */
  readonly value: Buffer;
}

/** No algorithm. */
export const NO_CHECKSUM_ID = 0;
export const CHECKSUM_TYPES: readonly (ChecksumType | undefined)[] = [undefined, 'FULL_OBJECT', 'COMPOSITE'];

export function checksumAlgorithms(): readonly ChecksumAlgorithm[] {
  return Object.keys(TABLE) as ChecksumAlgorithm[];
}

export function checksumId(algorithm: ChecksumAlgorithm): number {
  return TABLE[algorithm][0];
}

/** Bytes of a value. */
export function checksumBytes(algorithm: ChecksumAlgorithm): number {
  return TABLE[algorithm][1];
}

/** `undefined` for an id that is not in the table. */
export function checksumOfId(id: number): ChecksumAlgorithm | undefined {
  return checksumAlgorithms().find((algorithm) => checksumId(algorithm) === id);
}
