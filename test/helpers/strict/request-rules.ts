/**
 * What a request to a real store may look like, told from its head alone: known headers and query parameters, names,
 * sizes. Anything a client sent to the proxy and that was merely passed on shows here.
 */
import type { BackendRequest } from '../../../proxy/backend/backend.ts';
import { MAX_KEY_BYTES, MAX_PART_NUMBER, MAX_PUT_BYTES, MAX_USER_METADATA_BYTES } from '../../../proxy/limits.ts';
import { bodyLength, queryValue } from '../backend-reply.ts';

/** Why a request is refused, as S3 would say it. `isLeak`: it holds what must not leave the proxy. */
export interface Broken {
  readonly status: number;
  readonly code: string;
  readonly message: string;
  readonly isLeak?: boolean;
}

const META = 'x-amz-meta-';

const HEADERS: ReadonlySet<string> = new Set([
  ...['cache-control', 'content-disposition', 'content-encoding', 'content-language', 'content-md5', 'content-type'],
  ...['expires', 'range', 'if-match', 'if-none-match', 'if-modified-since', 'if-unmodified-since'],
  ...['x-amz-acl', 'x-amz-grant-full-control', 'x-amz-grant-read', 'x-amz-grant-read-acp', 'x-amz-grant-write'],
  ...['x-amz-grant-write-acp', 'x-amz-tagging', 'x-amz-tagging-directive', 'x-amz-metadata-directive'],
  ...['x-amz-copy-source', 'x-amz-copy-source-range', 'x-amz-copy-source-if-match', 'x-amz-copy-source-if-none-match'],
  ...['x-amz-copy-source-if-modified-since', 'x-amz-copy-source-if-unmodified-since', 'x-amz-storage-class'],
  ...['x-amz-website-redirect-location', 'x-amz-object-lock-mode', 'x-amz-object-lock-retain-until-date'],
  ...['x-amz-object-lock-legal-hold', 'x-amz-bypass-governance-retention', 'x-amz-bucket-object-lock-enabled'],
  ...['x-amz-object-ownership', 'x-amz-expected-bucket-owner', 'x-amz-source-expected-bucket-owner'],
  ...['x-amz-request-payer', 'x-amz-mfa', 'x-amz-checksum-mode', 'x-amz-object-attributes', 'x-amz-max-parts'],
  ...['x-amz-part-number-marker', 'x-amz-optional-object-attributes', 'x-amz-server-side-encryption'],
  ...['x-amz-server-side-encryption-aws-kms-key-id', 'x-amz-server-side-encryption-context'],
  ...['x-amz-server-side-encryption-bucket-key-enabled', 'x-amz-confirm-remove-self-bucket-access'],
  ...['x-amz-transition-default-minimum-object-size'],
]);

/** Digests of the body as sent: verified with the body, and so refused when they are those of another (plaintext). */
const BODY_CHECKSUMS = [
  'x-amz-checksum-crc32',
  'x-amz-checksum-crc32c',
  'x-amz-checksum-sha1',
  'x-amz-checksum-sha256',
];

const ALGORITHM = 'x-amz-sdk-checksum-algorithm';

const QUERY: ReadonlySet<string> = new Set([
  ...['accelerate', 'acl', 'analytics', 'attributes', 'cors', 'delete', 'encryption', 'intelligent-tiering'],
  ...['inventory', 'legal-hold', 'lifecycle', 'location', 'logging', 'metrics', 'notification', 'object-lock'],
  ...['ownershipControls', 'policy', 'policyStatus', 'publicAccessBlock', 'replication', 'requestPayment', 'restore'],
  ...['retention', 'tagging', 'uploads', 'versioning', 'versions', 'website', 'id'],
  ...['uploadId', 'partNumber', 'versionId', 'list-type', 'prefix', 'delimiter', 'marker', 'max-keys', 'start-after'],
  ...['continuation-token', 'fetch-owner', 'encoding-type', 'key-marker', 'version-id-marker', 'upload-id-marker'],
  ...['max-uploads', 'max-parts', 'part-number-marker', 'max-buckets', 'bucket-region'],
  ...['response-cache-control', 'response-content-disposition', 'response-content-encoding'],
  ...['response-content-language', 'response-content-type', 'response-expires'],
  // MinIO's own. Others do not look at it.
  'metadata',
]);

/** The first rule that the request breaks. */
export function brokenRule(request: BackendRequest): Broken | undefined {
  return brokenName(request) ?? brokenHeader(request) ?? brokenQuery(request) ?? brokenSize(request);
}

function brokenName({ bucket, key }: BackendRequest): Broken | undefined {
  if (key !== undefined && bucket === undefined) return invalid('a key without a bucket');
  if (bucket !== undefined && !/^[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]$/.test(bucket)) {
    return { status: 400, code: 'InvalidBucketName', message: bucket };
  }
  if (key === undefined) return undefined;
  if (key === '' || !key.isWellFormed()) return invalid('an empty or malformed key');
  return Buffer.byteLength(key) > MAX_KEY_BYTES ? { status: 400, code: 'KeyTooLongError', message: key } : undefined;
}

function brokenHeader(request: BackendRequest): Broken | undefined {
  for (const [name, value] of Object.entries(request.headers ?? {})) {
    const isKnown = HEADERS.has(name) || /^x-amz-meta-[!-~]+$/.test(name) || isOwnChecksum(request, name);
    if (!isKnown || name !== name.toLowerCase()) return leak(`the header ${name}`);
    if (!/^[\t\x20-\x7e\x80-\xff]*$/.test(value)) return invalid(`a value that no header can carry, in ${name}`);
  }
  return undefined;
}

/** A checksum header is only for a body, and is compared with it later. The algorithm is named only beside its own checksum. */
function isOwnChecksum(request: BackendRequest, name: string): boolean {
  if (request.body === undefined) return false;
  if (name !== ALGORITHM) return BODY_CHECKSUMS.includes(name);
  const { headers = {} } = request;
  return BODY_CHECKSUMS.some(
    (own) => headers[own] !== undefined && own === `x-amz-checksum-${headers[name]?.toLowerCase()}`,
  );
}

function brokenQuery(request: BackendRequest): Broken | undefined {
  const seen = new Set<string>();
  for (const [name] of request.query ?? []) {
    if (!QUERY.has(name)) return leak(`the query parameter ${name}`);
    if (seen.has(name)) return invalid(`the query parameter ${name} twice`);
    seen.add(name);
  }
  const part = queryValue(request, 'partNumber');
  if (part === undefined) return undefined;
  const isNumber = /^[1-9]\d*$/.test(part) && Number(part) <= MAX_PART_NUMBER;
  return isNumber ? undefined : { status: 400, code: 'InvalidArgument', message: `part number ${part}` };
}

function brokenSize(request: BackendRequest): Broken | undefined {
  if ((request.method === 'GET' || request.method === 'HEAD') && request.body !== undefined) {
    return invalid(`${request.method} with a body`);
  }
  if (bodyLength(request) > MAX_PUT_BYTES) return { status: 400, code: 'EntityTooLarge', message: 'over 5 GiB' };
  const { byAws } = metadataBytes(request);
  if (byAws > MAX_USER_METADATA_BYTES) return { status: 400, code: 'MetadataTooLarge', message: `${byAws} bytes` };
  if (request.method === 'POST' && queryValue(request, 'delete') !== undefined) {
    const headers = request.headers ?? {};
    const isProtected = ['content-md5', ...BODY_CHECKSUMS].some((name) => headers[name] !== undefined);
    if (!isProtected) return invalid('DeleteObjects without Content-MD5 or a checksum');
  }
  return undefined;
}

/** User metadata as AWS counts it (names without prefix, and values) and as MinIO does (names with it). */
export function metadataBytes(request: BackendRequest): { byAws: number; withPrefix: number } {
  const rows = Object.entries(request.headers ?? {}).filter(([name]) => name.startsWith(META));
  const withPrefix = rows.reduce((sum, [name, value]) => sum + name.length + Buffer.byteLength(value, 'latin1'), 0);
  return { byAws: withPrefix - rows.length * META.length, withPrefix };
}

function invalid(message: string): Broken {
  return { status: 400, code: 'InvalidRequest', message };
}

function leak(message: string): Broken {
  return { status: 400, code: 'InvalidRequest', message: `not for a store: ${message}`, isLeak: true };
}
