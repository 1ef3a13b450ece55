/**
 * The four metadata entries that make an object ours, on their way to and from the backend (crypto/FORMAT.md, "Object
 * metadata"), and the decision whether a stored object is sealed or legacy.
 */
import { ALGORITHM } from '../../crypto/layout.ts';
import { MAX_USER_METADATA_BYTES } from '../limits.ts';

export const META_PREFIX = 'x-amz-meta-';
const NAMES = ['enc-algo', 'enc-dek', 'enc-tenant', 'enc-attrs'] as const;
/** The headers that they are in the backend's requests and answers, the one that every sealed object has first. */
export const STORED_HEADERS = NAMES.map((name) => `${META_PREFIX}${name}`) as [string, ...string[]];
type StoredName = (typeof NAMES)[number];

/** What a backend's reply holds of ours, unverified. */
export type StoredHeader = Partial<Record<StoredName, string>>;

export type BackendHeaders = Readonly<Record<string, string>>;

/** Backend request headers that store `header`; the backend learns nothing of the plaintext's type. */
export function toBackendHeaders(header: Readonly<StoredHeader>): Record<string, string> {
  const headers: Record<string, string> = { 'content-type': 'application/octet-stream' };
  for (const name of NAMES) {
    const value = header[name];
    if (value !== undefined) headers[META_PREFIX + name] = value;
  }
  return headers;
}

/** Whether the metadata fits every backend: AWS counts names without the prefix, MinIO with it. */
export function fitsMetadata(header: Readonly<StoredHeader>): boolean {
  let bytes = 0;
  for (const name of NAMES) {
    const value = header[name];
    if (value !== undefined) bytes += META_PREFIX.length + name.length + value.length;
  }
  return bytes <= MAX_USER_METADATA_BYTES;
}

/**
 * The sealed header of a stored object; undefined for a legacy one.
 * @throws MalformedSealedObject when entries of ours are there without a known `enc-algo`
 */
export function fromBackendHeaders(headers: BackendHeaders): StoredHeader | undefined {
  const found: StoredHeader = {};
  for (const name of NAMES) {
    const value = headers[META_PREFIX + name];
    if (value !== undefined) found[name] = value;
  }
  if (found['enc-algo'] === undefined) {
    const isOurs = Object.keys(headers).some((name) => name.startsWith(`${META_PREFIX}enc-`));
    if (isOurs) throw new MalformedSealedObject('sealed metadata without enc-algo');
    return undefined;
  }
  if (found['enc-algo'] !== ALGORITHM) throw new MalformedSealedObject('an enc-algo that this version does not know');
  return found;
}

/** A stored object that is neither well formed nor legacy. Never passed through. */
export class MalformedSealedObject extends Error {
  readonly code = 'MALFORMED_SEALED_OBJECT';
}
