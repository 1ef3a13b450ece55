/**
 * The digest that goes along with a body in memory, so that the store refuses bytes that were damaged on the way, and takes the
 * object under an object lock. A CRC32C costs a twentieth of an MD5. A store gets it when it was seen to compare it. A locked
 * object goes with an MD5 all the same: some stores know no other digest for the locks.
 */
import { createHash } from 'node:crypto';
import { createHasher } from '../body/checksums.ts';
import type { StoreContext } from './context.ts';

const LOCK = 'x-amz-object-lock-';

/** A header of the request. `body`: as it is sent. `headers`: those that go along. */
export function putDigest(
  { store }: StoreContext,
  body: Buffer,
  headers: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  const isLocked = Object.keys(headers).some((name) => name.startsWith(LOCK));
  if (isLocked || !store.capabilities.crc32c) return { 'content-md5': createHash('md5').update(body).digest('base64') };
  const hasher = createHasher('CRC32C');
  hasher.update(body);
  return { 'x-amz-checksum-crc32c': hasher.digest().toString('base64') };
}
