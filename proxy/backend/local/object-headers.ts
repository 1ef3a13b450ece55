/**
 * What a request says about the object it stores, and what a reply says about a stored one: system headers, user metadata,
 * storage class. S3: "Working with object metadata".
 */
import { S3Error } from '../../errors.ts';
import { MAX_USER_METADATA_BYTES } from '../../limits.ts';
import { ENCRYPTED } from './honoured-headers.ts';
import { lockHeaders, parseLock } from './locks.ts';
import { httpDate, quoted } from './respond.ts';
import type { BucketRow, VersionRow } from './rows.ts';
import { tagCount } from './tags.ts';

type Headers = Readonly<Record<string, string>>;

const META = 'x-amz-meta-';
const DEFAULT_CONTENT_TYPE = 'binary/octet-stream';
export const REDIRECT = 'x-amz-website-redirect-location';
const STORED = [
  'cache-control',
  'content-disposition',
  'content-encoding',
  'content-language',
  'content-type',
  'expires',
  REDIRECT,
];
const STORAGE_CLASSES = new Set([
  'STANDARD',
  'REDUCED_REDUNDANCY',
  'STANDARD_IA',
  'ONEZONE_IA',
  'INTELLIGENT_TIERING',
  'GLACIER',
  'GLACIER_IR',
  'DEEP_ARCHIVE',
  'OUTPOSTS',
  'SNOW',
  'EXPRESS_ONEZONE',
]);

/** Headers to keep with the object, as JSON. @throws S3Error MetadataTooLarge */
export function storedHeaders(headers: Headers): string {
  const kept: Record<string, string> = { 'content-type': DEFAULT_CONTENT_TYPE };
  for (const name of STORED) {
    const value = headers[name];
    if (value !== undefined && value !== '') kept[name] = value;
  }
  let bytes = 0;
  for (const [name, value] of Object.entries(headers)) {
    if (!name.startsWith(META)) continue;
    bytes += Buffer.byteLength(name) - META.length + Buffer.byteLength(value);
    kept[name] = value;
  }
  if (bytes > MAX_USER_METADATA_BYTES) {
    const details = { Size: String(bytes), MaxSizeAllowed: String(MAX_USER_METADATA_BYTES) };
    throw new S3Error('MetadataTooLarge', undefined, { details });
  }
  return JSON.stringify(kept);
}

/** @throws S3Error InvalidStorageClass */
export function storageClass(headers: Headers): string {
  const name = headers['x-amz-storage-class'] ?? 'STANDARD';
  if (!STORAGE_CLASSES.has(name)) throw new S3Error('InvalidStorageClass');
  return name;
}

/** Headers of a GET or HEAD reply, without length and range. */
export function describeObject(row: VersionRow, bucket: BucketRow): Record<string, string> {
  const tags = tagCount(row.tags);
  return {
    ...(JSON.parse(row.headers) as Headers),
    ...validatorsOf(row, bucket),
    ...ENCRYPTED,
    ...lockHeaders(parseLock(row.lock)),
    'accept-ranges': 'bytes',
    ...(row.storage_class === 'STANDARD' ? {} : { 'x-amz-storage-class': row.storage_class }),
    ...(tags === 0 ? {} : { 'x-amz-tagging-count': String(tags) }),
  };
}

/** The headers that a 304 carries too. */
export function validatorsOf(row: VersionRow, bucket: BucketRow): Record<string, string> {
  return {
    etag: quoted(row.etag),
    'last-modified': httpDate(row.modified),
    ...versionHeader(bucket.versioning === '' ? undefined : row.version),
  };
}

export function versionHeader(versionId: string | undefined): Record<string, string> {
  return versionId === undefined ? {} : { 'x-amz-version-id': versionId };
}
