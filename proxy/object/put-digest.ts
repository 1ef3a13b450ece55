/**
 * The digest that goes along with a body in memory, so that the store refuses bytes that were damaged on the way, and takes the
 * object under an object lock. A CRC32C costs a twentieth of an MD5. A store gets it when it was seen to compare it. The header
 * that names the algorithm goes along, as the SDKs send it: S3 wants that header or an MD5 wherever a retention applies (S3 API
 * reference, PutObject, Content-MD5).
 */
import { createHash } from 'node:crypto';
import { createHasher } from '../body/checksums.ts';
import type { StoreContext } from './context.ts';

/** Headers of the request. `body`: as it is sent. */
export function putDigest({ store }: StoreContext, body: Buffer): Readonly<Record<string, string>> {
  if (!store.capabilities.crc32c) return { 'content-md5': createHash('md5').update(body).digest('base64') };
  const hasher = createHasher('CRC32C');
  hasher.update(body);
  return {
    'x-amz-sdk-checksum-algorithm': 'CRC32C',
    'x-amz-checksum-crc32c': hasher.digest().toString('base64'),
  };
}
