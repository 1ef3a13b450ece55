/**
 * Where random sequences meet a store that is laxer than S3, or says the same in other words: rules beside those of allowed.ts,
 * which the written corpus needs. Each names the store, the place and what both sides said.
 */
import type { Allowed } from '../allowed.ts';
import { outcomeOf } from '../compare.ts';
import type { Difference, Exchange, StoreName } from '../difference.ts';
import type { TwinRequest } from '../request.ts';

const MOTO: readonly StoreName[] = ['moto', 'moto-strict'];
const MINIO: readonly StoreName[] = ['minio'];
const EMBEDDED: readonly StoreName[] = ['embedded'];

interface OutcomeRule {
  readonly name: string;
  readonly reason: string;
  readonly stores: readonly StoreName[];
  readonly operation?: RegExp;
  readonly bare: RegExp;
  readonly proxy: RegExp;
  readonly when?: (request: TwinRequest) => boolean;
}

const header = (request: TwinRequest, name: string): string | undefined =>
  request.headers?.find(([found]) => found === name)?.[1];
const parameter = ({ query = [] }: TwinRequest, name: string): string | undefined =>
  typeof query === 'string' ? undefined : query.find(([found]) => found === name)?.[1];

/** A range that S3 ignores: malformed, of another unit, of several ranges, or with its ends exchanged. */
function isIgnoredRange(request: TwinRequest): boolean {
  const range = header(request, 'range');
  if (range === undefined) return false;
  const [, first = '', last = ''] = /^bytes=(\d*)-(\d*)$/.exec(range) ?? [];
  return (first === '' && last === '') || (first !== '' && last !== '' && Number(first) > Number(last));
}

const namesNullVersion = (request: TwinRequest): boolean =>
  parameter(request, 'versionId') === 'null' ||
  header(request, 'x-amz-copy-source')?.endsWith('versionId=null') === true;

const OUTCOMES: readonly OutcomeRule[] = [
  {
    name: 'parameters that moto ignores',
    reason: 'an encoding type, a page size, a part number, an attribute or a range of a source that S3 refuses',
    stores: MOTO,
    operation: /^GET|\+copy$/,
    bare: /^(200|404)/,
    proxy: /^(400 InvalidArgument|416 InvalidPartNumber)$/,
  },
  {
    name: 'moto and the null version',
    reason: 'moto refuses HEAD with versionId=null, which S3 knows; the proxy asks the store so',
    stores: MOTO,
    bare: /./,
    proxy: /^400( InvalidArgument)?$/,
    when: namesNullVersion,
  },
  {
    name: 'conditions together',
    reason:
      'moto lets If-Unmodified-Since decide although an If-Match held, and compares * as an ETag; RFC 9110 13.2.2',
    stores: MOTO,
    operation: /^(GET|HEAD) object$/,
    bare: /^412/,
    proxy: /^(200|206|416)/,
    when: (request) => header(request, 'if-match') !== undefined,
  },
  {
    name: 'ranges that S3 ignores',
    reason: 'a malformed range means the whole object on S3; the store answers 416, or slices all the same',
    stores: [...MOTO, ...MINIO],
    operation: /^(GET|HEAD) object$/,
    bare: /^(416|206)/,
    proxy: /^(200|304|404|412|400|405)/,
    when: isIgnoredRange,
  },
  {
    name: 'the range before everything else',
    reason: 'the store looks at the range, or the part, first; S3, as RFC 9110, at the object and the conditions',
    stores: [...MOTO, ...MINIO],
    operation: /^(GET|HEAD) object$/,
    bare: /^(416|412)/,
    proxy: /^(304|404|412|405|416)/,
    when: (request) => header(request, 'range') !== undefined || parameter(request, 'partNumber') !== undefined,
  },
  {
    name: 'a delete marker by its version',
    reason: 'S3: 405 for a read, 400 InvalidRequest for a source; moto and MinIO have other codes',
    stores: [...MOTO, ...MINIO],
    bare: /^(404|405)/,
    proxy: /^(405|400 InvalidRequest|400 InvalidArgument)/,
  },
  {
    name: 'one of two refusals',
    reason: 'two things are wrong with the request, and each side found another one first',
    stores: [...MOTO, ...MINIO, ...EMBEDDED],
    operation: /^PUT/,
    bare: /^(400|404|412|416)/,
    proxy: /^(400 BadDigest|400 InvalidArgument|404 NoSuchKey|404 NoSuchUpload|412 PreconditionFailed)$/,
    when: isWrongTwice,
  },
  {
    name: 'a condition beside another refusal',
    reason:
      'what is replaced does not fit the condition, and besides the upload, a part or the version is not there, a part is too small, or the copy changes nothing: the store looks at the condition first, the proxy at the request',
    stores: [...MOTO, ...MINIO, ...EMBEDDED],
    operation: /^(DELETE object|POST object\?uploadId|PUT object\+copy)$/,
    bare: /^(404 NoSuchKey|412 PreconditionFailed)$/,
    proxy:
      /^(404 NoSuchUpload|404 NoSuchVersion|400 InvalidRequest|400 InvalidPart|400 InvalidPartOrder|400 EntityTooSmall)$/,
    when: isConditional,
  },
  {
    name: 'Complete sent again, with a condition',
    reason:
      'the same list is confirmed, whatever the condition says of the object that it made; the store compares that object',
    stores: [...MOTO, ...MINIO, ...EMBEDDED],
    operation: /^POST object\?uploadId$/,
    bare: /^412 PreconditionFailed$/,
    proxy: /^200$/,
    when: isConditional,
  },
  {
    name: 'Complete sent again, for what was replaced since',
    reason:
      'the proxy knows a finished upload by the object that it made: once that is replaced or deleted, the upload is gone, as on MinIO; the embedded store remembers it',
    stores: EMBEDDED,
    operation: /^POST object\?uploadId$/,
    bare: /^200$/,
    proxy: /^404 NoSuchUpload$/,
  },
  {
    name: 'conditions on what a copy replaces',
    reason: 'ignored by the store; the proxy decides them by sending the copy as a PUT with that condition',
    stores: ['moto', 'minio'],
    operation: /^PUT object\+copy$/,
    bare: /^200$/,
    proxy: /^(404 NoSuchKey|412 PreconditionFailed)$/,
    when: isConditional,
  },
  {
    name: 'checksums that MinIO does not know',
    reason: 'SHA512, MD5 and the XXHASHes: MinIO stores the body whatever they say',
    stores: MINIO,
    operation: /^PUT object(\?partNumber&uploadId)?$/,
    bare: /^200$/,
    proxy: /^400 BadDigest$/,
    when: promisesUnknownToMinio,
  },
  {
    name: 'codes that MinIO invented',
    reason: 'codes that S3 does not have become those that it has: XMinio..., XAmzContentChecksumMismatch',
    stores: MINIO,
    bare: /^400 (XMinio\w+|XAmzContentChecksumMismatch)$/,
    proxy: /^400 (InvalidArgument|BadDigest)$/,
  },
  {
    name: 'checksums of parts of another algorithm',
    reason: 'InvalidRequest on S3, InvalidArgument on MinIO',
    stores: MINIO,
    operation: /partNumber/,
    bare: /^400 InvalidArgument$/,
    proxy: /^400 InvalidRequest$/,
  },
  {
    name: 'checksums of parts left out',
    reason: 'the upload names an algorithm, the part or its row brings no value: MinIO refuses, the proxy computes it',
    stores: MINIO,
    operation: /uploadId/,
    bare: /^400 (InvalidArgument|InvalidPart)$/,
    proxy: /^200$/,
  },
  {
    name: 'a copy onto itself that changes tags alone',
    reason: 'refused by S3, which counts metadata, storage class, redirect and encryption; taken by MinIO',
    stores: MINIO,
    operation: /^PUT object\+copy$/,
    bare: /^200$/,
    proxy: /^400 InvalidRequest$/,
    when: (request) => header(request, 'x-amz-tagging-directive') === 'REPLACE',
  },
];

function isConditional(request: TwinRequest): boolean {
  return header(request, 'if-match') !== undefined || header(request, 'if-none-match') !== undefined;
}

function promisesUnknownToMinio({ headers = [], trailer }: TwinRequest): boolean {
  const names = [...headers, ...(trailer === undefined ? [] : [trailer])].map(([name]) => name);
  return names.some((name) => /^x-amz-checksum-(sha512|md5|xxhash\d+)$/.test(name));
}

/** A body, tags or a source, and a target: each refused by itself. */
function isWrongTwice(request: TwinRequest): boolean {
  const names = (request.headers ?? []).map(([name]) => name);
  const isAboutBody =
    request.trailer !== undefined || names.some((name) => /^(content-md5|x-amz-checksum-|x-amz-tagging)/.test(name));
  const isAboutTarget =
    names.some((name) => /^(if-|x-amz-copy-source)/.test(name)) || parameter(request, 'uploadId') !== undefined;
  return isAboutBody && isAboutTarget ? true : names.includes('x-amz-copy-source');
}

const byOutcome: readonly Allowed[] = OUTCOMES.map(({ name, reason, stores, operation, bare, proxy, when }) => ({
  name,
  reason,
  stores,
  allows: ({ at }, exchange) =>
    at === 'outcome' &&
    (operation?.test(exchange.operation) ?? true) &&
    bare.test(outcomeOf(exchange.bare)) &&
    proxy.test(outcomeOf(exchange.proxy)) &&
    (when?.(exchange.request) ?? true),
}));

const onlyBare = ({ bare, proxy }: Difference): boolean => bare !== undefined && proxy === undefined;
const onlyProxy = ({ bare, proxy }: Difference): boolean => bare === undefined && proxy !== undefined;
const isRefusedRead = ({ request, bare }: Exchange): boolean =>
  (request.method === 'GET' || request.method === 'HEAD') && bare.status >= 304;

/** As `encoding-type=url` writes it, or plain. */
function decodedName(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return text;
  }
}

const byPlace: readonly Allowed[] = [
  {
    name: 'details of errors',
    reason: 'the store adds elements that say again what was asked, or names another condition of two',
    stores: [...MOTO, ...MINIO],
    allows: (difference) =>
      /^xml \/Error\/(BucketName|Key|UploadId|VersionId|Method|ResourceType|Condition|Resource)$/.test(difference.at) ||
      difference.at === 'xml-order /Error',
  },
  {
    name: 'headers of the object on refusals',
    reason:
      'on 304, 412 and 416, and on the length of what a HEAD has no body for, the sides name more or fewer headers',
    stores: [...MOTO, ...MINIO],
    allows: ({ at }, exchange) =>
      isRefusedRead(exchange) &&
      /^header (etag|last-modified|accept-ranges|cache-control|content-\w+|x-amz-meta-\w+|x-amz-version-id|x-amz-tagging-count|x-amz-delete-marker|expires|x-amz-checksum-\w+)$/.test(
        at,
      ),
  },
  {
    name: 'a condition that met a delete marker',
    reason: 'the proxy passes on the headers of the 404 that it got when it compared',
    stores: [...MOTO, ...MINIO, ...EMBEDDED],
    allows: (difference, { bare }) =>
      onlyProxy(difference) && bare.status === 404 && /^header x-amz-(delete-marker|version-id)$/.test(difference.at),
  },
  {
    name: 'a delete marker that has no tags',
    reason: 'the store names the delete marker beside the refusal; S3 documents that for reads and deletes of objects',
    stores: EMBEDDED,
    allows: (difference, { operation, bare }) =>
      onlyBare(difference) &&
      operation.endsWith('?tagging') &&
      bare.status >= 400 &&
      /^header x-amz-(delete-marker|version-id)$/.test(difference.at),
  },
  {
    name: 'version of a source',
    reason: 'the proxy always names the version that it copied, as S3 does; MinIO and moto only one that was asked for',
    stores: [...MOTO, ...MINIO],
    allows: ({ at }) => at === 'header x-amz-copy-source-version-id',
  },
  {
    name: 'checksums of its own',
    reason: 'MinIO adds a CRC64NVME that nobody asked for, and shows those of parts of uploads without a checksum',
    stores: MINIO,
    allows: (difference) =>
      onlyBare(difference) &&
      /^header x-amz-checksum-(crc64nvme|type)$|\/Checksum(CRC64NVME|Type|Algorithm)$|^xml \/ListPartsResult\/Part(\[\d+\])?\/Checksum\w+$/.test(
        difference.at,
      ),
  },
  {
    name: 'url encoding of lists',
    reason: 'a space is + as on S3, and every name in the document is encoded; the same name when decoded',
    stores: MOTO,
    allows: ({ at, bare, proxy }, { operation }) =>
      operation.startsWith('GET bucket') &&
      (at.endsWith('/EncodingType') ||
        (bare !== undefined &&
          proxy !== undefined &&
          (decodedName(bare) === decodedName(proxy) || bare === decodedName(proxy)))),
  },
  {
    name: "MinIO's pages of parts",
    reason: 'MinIO answers max-parts=0 with nothing, and a marker that is no part with an empty page',
    stores: MINIO,
    allows: ({ at }, { request }) =>
      /^xml \/ListPartsResult\//.test(at) &&
      (parameter(request, 'max-parts') !== undefined || parameter(request, 'part-number-marker') !== undefined),
  },
  {
    name: 'Location of a finished upload',
    reason: 'more characters are percent-encoded; the same address',
    stores: MINIO,
    allows: ({ at, bare = '', proxy = '' }) =>
      at === 'xml /CompleteMultipartUploadResult/Location' && decodeURIComponent(bare) === decodeURIComponent(proxy),
  },
  {
    name: 'ETag of a copy of a multipart object',
    reason:
      'the proxy copies without moving data, so the copy keeps the ETag of the upload; moto computes the MD5, MinIO where it rewrites an object in place',
    stores: [...MOTO, ...MINIO],
    allows: ({ at, bare = '', proxy = '' }) =>
      /etag$/i.test(at) && /^"?[0-9a-f]{32}"?$/.test(bare) && /-\d+"?$/.test(proxy),
  },
];

const byHistory: readonly Allowed[] = [
  {
    name: 'a condition on the ETag of such a copy',
    reason: 'it holds for one of the two ETags that the sides gave the copy of a multipart object before',
    stores: [...MOTO, ...MINIO],
    allows: ({ at }, { request, otherEtags }) =>
      at === 'outcome' &&
      ['if-match', 'if-none-match', 'x-amz-copy-source-if-match', 'x-amz-copy-source-if-none-match'].some((name) =>
        otherEtags.has((header(request, name) ?? '').replaceAll('"', '')),
      ),
  },
];

export const LAX: readonly Allowed[] = [...byOutcome, ...byPlace, ...byHistory];
