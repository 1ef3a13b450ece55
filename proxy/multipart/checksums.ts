/**
 * Checksums of multipart uploads (S3 user guide, "Checking object integrity"): which types an algorithm has, and the object's
 * checksum from those of its parts.
 */
import { createHash } from 'node:crypto';
import { type ChecksumName, createHasher } from '../body/checksums.ts';
import { combineCrcs } from '../body/crc-combine.ts';
import type { UploadChecksum } from './upload.ts';

export function isCrc(algorithm: ChecksumName): algorithm is 'CRC32' | 'CRC32C' | 'CRC64NVME' {
  return algorithm.startsWith('CRC');
}

/** The object's checksum, raw: a composite one without its `-N`. */
export function objectChecksum(
  checksum: UploadChecksum,
  parts: readonly { readonly size: number; readonly checksum: Buffer }[],
): Buffer {
  if (checksum.type === 'COMPOSITE') {
    const hasher = createHasher(checksum.algorithm);
    for (const part of parts) hasher.update(part.checksum);
    return hasher.digest();
  }
  if (!isCrc(checksum.algorithm)) throw new Error('only CRCs combine into a full-object checksum');
  return combineCrcs(
    checksum.algorithm,
    parts.map((part) => ({ crc: part.checksum, bytes: part.size })),
  );
}

/** MD5 of the parts' MD5s: with `-N` behind it, the MD5 ETag of the object. `undefined` when a part has none. */
export function multipartMd5(parts: readonly { readonly md5: Buffer | undefined }[]): Buffer | undefined {
  const hash = createHash('md5');
  for (const { md5 } of parts) {
    if (md5 === undefined) return undefined;
    hash.update(md5);
  }
  return hash.digest();
}

/** As headers and XML write it. */
export function checksumText(checksum: UploadChecksum, value: Buffer, partCount: number): string {
  const text = value.toString('base64');
  return checksum.type === 'COMPOSITE' ? `${text}-${partCount}` : text;
}

/** Element name in XML: ChecksumCRC32, ... */
export function checksumElement(algorithm: string): string {
  return `Checksum${algorithm}`;
}
