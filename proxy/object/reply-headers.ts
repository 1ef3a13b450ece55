/** The headers of an object's GET and HEAD: what was sealed, as it was given, and what the backend says of the version. */
import type { Checksum } from '../../crypto/attributes.ts';
import { toAsciiValue } from '../http/encoded-words.ts';
import { CONTENT_HEADERS } from './client-attributes.ts';
import type { Validators } from './conditions.ts';
import { META_PREFIX } from './stored-metadata.ts';
import type { StoredObject } from './stored-object.ts';

/** Passed on from the backend: about the version, not about its contents. */
const VERSION_HEADERS = [
  'x-amz-version-id',
  'x-amz-storage-class',
  'x-amz-expiration',
  'x-amz-restore',
  'x-amz-archive-status',
  'x-amz-tagging-count',
  'x-amz-replication-status',
  'x-amz-website-redirect-location',
  'x-amz-object-lock-mode',
  'x-amz-object-lock-retain-until-date',
  'x-amz-object-lock-legal-hold',
  'x-amz-server-side-encryption',
  'x-amz-server-side-encryption-aws-kms-key-id',
  'x-amz-server-side-encryption-bucket-key-enabled',
  'x-amz-request-charged',
  'x-amz-missing-meta',
] as const;

/** Headers that the client wants in place of the object's own, by lower-case name. */
export type HeaderOverrides = Readonly<Record<string, string>>;

/** Without Content-Length and Content-Range, which depend on what is sent. */
export function objectHeaders(
  object: StoredObject,
  o: { checksums: boolean; overrides: HeaderOverrides },
): Record<string, string> {
  const headers: Record<string, string> = {
    ETag: `"${object.etag}"`,
    'Last-Modified': object.facts.lastModified,
    'Accept-Ranges': 'bytes',
    'content-type': 'binary/octet-stream',
    ...describingHeaders(object),
    ...pick(object.facts.headers, VERSION_HEADERS),
  };
  if (o.checksums && object.kind === 'sealed')
    Object.assign(headers, checksumHeaders(object.late.checksums, object.late.partCount));
  return { ...headers, ...o.overrides };
}

/** What a condition on a read is evaluated against, and what a 304 says of the object. */
export function readValidators(object: StoredObject, overrides: HeaderOverrides): Validators {
  const headers = objectHeaders(object, { checksums: false, overrides });
  const repeated = pick(headers, ['cache-control', 'expires', 'x-amz-version-id']);
  const { etag, otherEtag, facts } = object;
  return { etag, otherEtag, lastModified: facts.lastModified, repeated };
}

function describingHeaders(object: StoredObject): Record<string, string> {
  if (object.kind === 'sealed') {
    const metadata = object.early.metadata.map(([name, value]) => [META_PREFIX + name, toAsciiValue(value)]);
    return Object.fromEntries([...object.early.headers, ...metadata]);
  }
  const { headers } = object.facts;
  const metadata = Object.entries(headers).flatMap(([name, value]) => {
    if (name.startsWith(META_PREFIX)) return [[name, toAsciiValue(value)]];
    return name.startsWith('x-amz-checksum-') ? [[name, value]] : [];
  });
  return { ...pick(headers, CONTENT_HEADERS), ...Object.fromEntries(metadata) };
}

function pick(headers: Readonly<Record<string, string>>, names: readonly string[]): Record<string, string> {
  const found: Record<string, string> = {};
  for (const name of names) {
    const value = headers[name];
    if (value !== undefined) found[name] = value;
  }
  return found;
}

/** `x-amz-checksum-<algorithm>` and its type.*/
export function checksumHeaders(checksums: readonly Checksum[], partCount = 0): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const { algorithm, type, value } of checksums) {
    const text = value.toString('base64');
    headers[`x-amz-checksum-${algorithm.toLowerCase()}`] = type === 'COMPOSITE' ? `${text}-${partCount}` : text;
    headers['x-amz-checksum-type'] = type;
  }
  return headers;
}
