/**
 * Headers of a client's PUT. Those that describe the object are sealed; those that ask something of the backend pass by name;
 * those that this endpoint cannot honour are refused. No other header reaches the backend.
 */
import { stripAwsChunked } from '../../body/aws-chunked.ts';
import { S3Error } from '../../errors.ts';
import type { S3Request } from '../../http/request.ts';
import { MAX_USER_METADATA_BYTES } from '../../limits.ts';
import { type ClientAttributes, CONTENT_HEADERS } from '../../object/client-attributes.ts';
import { type AccountHeaders, NO_ACCOUNT_HEADERS } from '../../object/context.ts';
import { META_PREFIX } from '../../object/stored-metadata.ts';

/** Passed to the backend as they are: they name how it keeps the object, not what is in it. Listed in SECURITY.md. */
const STORAGE_HEADERS = [
  'x-amz-acl',
  'x-amz-expected-bucket-owner',
  'x-amz-grant-full-control',
  'x-amz-grant-read',
  'x-amz-grant-read-acp',
  'x-amz-grant-write-acp',
  'x-amz-object-lock-legal-hold',
  'x-amz-object-lock-mode',
  'x-amz-object-lock-retain-until-date',
  'x-amz-request-payer',
  'x-amz-server-side-encryption',
  'x-amz-server-side-encryption-aws-kms-key-id',
  'x-amz-server-side-encryption-bucket-key-enabled',
  'x-amz-server-side-encryption-context',
  'x-amz-storage-class',
  'x-amz-tagging',
  'x-amz-website-redirect-location',
] as const;

const REFUSED =
  /^x-(minio-|amz-(server-side-encryption-customer-|copy-source-server-side-encryption-customer-|write-offset-bytes$|if-match-(initiated-time|last-modified-time|size)$|fwd-|request-(route|token)$|meta-snowball-auto-extract$))/;

/** @throws S3Error MetadataTooLarge; InvalidArgument for metadata without a name */
export function clientAttributes(request: S3Request): ClientAttributes {
  const headers: [string, string][] = [];
  for (const name of CONTENT_HEADERS) {
    const value = name === 'content-encoding' ? stripAwsChunked(request.header(name)) : request.header(name);
    if (value !== undefined && value !== '') headers.push([name, value]);
  }
  return { headers, metadata: userMetadata(request) };
}

const NAMELESS = { ArgumentName: META_PREFIX };

function userMetadata(request: S3Request): readonly (readonly [string, string])[] {
  const names = request
    .headerNames()
    .flatMap((name) => (name.startsWith(META_PREFIX) ? [name.slice(META_PREFIX.length)] : []));
  let bytes = 0;
  const pairs: [string, string][] = [];
  for (const name of names) {
    if (name === '') throw new S3Error('InvalidArgument', 'A metadata header has no name.', { details: NAMELESS });
    const value = request.header(META_PREFIX + name) ?? '';
    bytes += name.length + value.length;
    pairs.push([name, value]);
  }
  if (bytes > MAX_USER_METADATA_BYTES) {
    const details = { Size: String(bytes), MaxSizeAllowed: String(MAX_USER_METADATA_BYTES) };
    throw new S3Error('MetadataTooLarge', undefined, { details });
  }
  return pairs;
}

/** What CreateBucket says of the bucket. */
const BUCKET_HEADERS = [
  'x-amz-acl',
  'x-amz-bucket-namespace',
  'x-amz-bucket-object-lock-enabled',
  'x-amz-expected-bucket-owner',
  'x-amz-grant-full-control',
  'x-amz-grant-read',
  'x-amz-grant-read-acp',
  'x-amz-grant-write',
  'x-amz-grant-write-acp',
  'x-amz-object-ownership',
] as const;

/** @throws S3Error NotImplemented for headers whose meaning would be lost */
export function storageHeaders(request: S3Request): Record<string, string> {
  return passedHeaders(request, STORAGE_HEADERS);
}

/** @throws S3Error as `storageHeaders` */
export function bucketHeaders(request: S3Request): Record<string, string> {
  return passedHeaders(request, BUCKET_HEADERS);
}

function passedHeaders(request: S3Request, names: readonly string[]): Record<string, string> {
  refuseUnsupportedHeaders(request);
  const headers: Record<string, string> = {};
  for (const name of names) {
    const value = request.header(name);
    if (value !== undefined) headers[name] = value;
  }
  return headers;
}

export function refuseUnsupportedHeaders(request: S3Request): void {
  const refused = request.headerNames().find((name) => REFUSED.test(name));
  if (refused === undefined) return;
  throw new S3Error('NotImplemented', `The header ${refused} is not implemented by this endpoint.`, {
    details: { Header: refused },
  });
}

const OWNER = 'x-amz-expected-bucket-owner';
const PAYER = 'x-amz-request-payer';

/** Headers that accompany every request about an object. `owner`: the client's header that names the bucket's owner. */
export function accountHeaders(request: S3Request, o: { owner?: string } = {}): AccountHeaders {
  const payer = request.header(PAYER);
  const owner = request.header(o.owner ?? OWNER);
  if (payer === undefined && owner === undefined) return NO_ACCOUNT_HEADERS;
  return { ...(payer === undefined ? {} : { [PAYER]: payer }), ...(owner === undefined ? {} : { [OWNER]: owner }) };
}
