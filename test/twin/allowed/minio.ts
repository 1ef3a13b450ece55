/** What MinIO does otherwise than S3, and the proxy as S3. */
import type { Exchange } from '../difference.ts';
import { type Allowed, bareOnly, codeIn, outcomes, queryText, sent } from './rule.ts';

const stores = ['minio'] as const;
const UPLOADS = 'PUT object?partNumber&uploadId|GET object?uploadId|POST object?uploadId|DELETE object?uploadId';

export const MINIO: readonly Allowed[] = [
  {
    name: "MinIO's own headers",
    reason:
      'x-minio-*, Accept-Ranges on every reply, ETag and checksums beside documents that hold them, a type for empty bodies',
    stores,
    allows: (difference, { operation, bare }) =>
      bareOnly(difference) &&
      (difference.at.startsWith('header x-minio-') ||
        difference.at === 'header accept-ranges' ||
        (difference.at === 'header content-type' && bare.body.length === 0) ||
        (/^header (etag|last-modified|x-amz-checksum-\w+|x-amz-delete-marker|x-amz-version-id)$/.test(difference.at) &&
          (/\+copy$|^POST object\?uploadId$/.test(operation) || bare.status >= 400))),
  },
  outcomes({
    name: "MinIO's own codes",
    reason: 'the same refusal under a code of MinIO, or another of S3; the proxy uses the one that S3 documents',
    stores,
    rows: [
      ['POST bucket?delete', '400 MissingContentMD5', '400 InvalidRequest'],
      ['GET object|DELETE object|PUT object', '400 XMinioInvalidObjectName', '400 KeyTooLongError'],
      ['GET bucket|GET bucket?list-type', '400 XMinioInvalidObjectName', '400 InvalidArgument'],
      [UPLOADS, '400 XMinioInvalidObjectName', '400 InvalidArgument|404 NoSuchUpload'],
      ['POST bucket?delete', '200 XMinioInvalidObjectName|411 MissingContentLength', '400 MalformedXML'],
      ['GET bucket', '404 ReplicationConfigurationNotFoundError', '501 NotImplemented'],
      ['GET bucket?versions', '501 NotImplemented', '400 InvalidArgument'],
      ['GET object?attributes', '400 InvalidArgument', '400 InvalidRequest'],
      [
        'GET object?legal-hold|GET object?retention',
        '400 NoSuchObjectLockConfiguration',
        '404 NoSuchObjectLockConfiguration',
      ],
      ['POST service|PUT service|DELETE service|POST object', '400 BadRequest', '501 NotImplemented'],
      ['PATCH object', '400 BadRequest', '405 MethodNotAllowed'],
      [
        'POST object?uploadId',
        '400 InvalidPart|400 InvalidRequest|500 InternalError',
        '400 InvalidArgument|400 MalformedXML',
      ],
      ['PUT object?partNumber&uploadId', '400 InvalidPart', '400 InvalidArgument'],
      ['PUT object|PUT object?partNumber&uploadId', '400 XAmzContentChecksumMismatch', '400 BadDigest'],
      ['PUT object', '400 InvalidArgument', '400 InvalidRequest'],
      ['PUT object', '400 BadRequest', '400 MalformedTrailerError'],
      ['PUT object', '400 ExcessData', '400 IncompleteBody'],
      ['PUT object+copy', '404 NoSuchVersion', '400 InvalidArgument'],
      ['PUT object+copy', '405 MethodNotAllowed', '400 InvalidRequest'],
      ['PUT bucket?cors', '501 NotImplemented', '400 MalformedXML'],
      ['PUT bucket?lifecycle', '500 InternalError', '400 MalformedXML'],
      ['GET object|PUT object', '400|403 SignatureDoesNotMatch', '400 InvalidURI'],
    ],
  }),
  outcomes({
    name: 'MinIO takes what S3 refuses',
    reason:
      'page sizes above 2^31, documents with another root, wrong digests of a DeleteObjects, a part listed twice, an expected size that is wrong, an empty upload id, an upload without a part number and a part number without an upload',
    stores,
    rows: [
      ['GET bucket|GET bucket?list-type', '200', '400 InvalidArgument'],
      ['POST bucket?delete', '200', '400 MalformedXML|400 BadDigest|200 NotImplemented'],
      ['POST object?uploadId', '200', '400 InvalidPartOrder|400 InvalidRequest|400 MalformedXML'],
      ['DELETE object?uploadId', '204', '404 NoSuchUpload'],
      ['PUT object?uploadId', '200', '400 InvalidArgument'],
      ['PUT object', '200', '501 NotImplemented'],
    ],
  }),
  outcomes({
    name: 'MinIO refuses what S3 takes',
    reason:
      'an empty continuation token, white space in x-amz-object-attributes, 2 KiB of metadata (MinIO counts the prefix of each name)',
    stores,
    rows: [
      ['GET bucket?list-type', '400 InvalidArgument', '200'],
      ['GET object?attributes', '400 InvalidArgument', '200'],
      ['PUT object', '400 MetadataTooLarge', '200'],
    ],
  }),
  outcomes({
    name: 'signatures that MinIO takes',
    reason: 'MinIO accepts x-amz-* headers that are not signed and a scope of another day; S3 and the proxy do not',
    stores,
    rows: [
      [
        'GET object|HEAD object|PUT object|GET bucket?list-type',
        '200',
        '403|403 AccessDenied|400|400 AuthorizationHeaderMalformed|400 AuthorizationQueryParametersError',
      ],
    ],
    when: ({ request }) => request.sign?.unsignedHeaders !== undefined || request.sign?.wrong === 'scope date',
  }),
  outcomes({
    name: 'status of a refused signature',
    reason: 'the request is refused on both sides; MinIO has 400 and codes of its own where S3 has 403, or the reverse',
    stores,
    rows: [
      [
        'GET object|HEAD object|PUT object|GET bucket?list-type',
        '400|400 AccessDenied|400 AuthorizationParametersError|400 SignatureVersionNotSupported|400 MissingFields|400 AuthorizationHeaderMalformed|400 AuthorizationQueryParametersError',
        '400|403|403 AccessDenied|400 AuthorizationHeaderMalformed|400 AuthorizationQueryParametersError',
      ],
    ],
    when: ({ request }) => request.sign !== undefined,
  }),
  outcomes({
    name: 'Complete sent again',
    reason:
      'S3 and the proxy confirm a Complete that is sent again with the same list; MinIO no longer knows the upload',
    stores,
    rows: [['POST object?uploadId', '404 NoSuchUpload', '200']],
  }),
  {
    name: 'ETag of a copied multipart object',
    reason:
      'the proxy copies without reading the data, so the copy keeps the ETag and the parts of its source; S3 gives it an MD5',
    allows: ({ at, proxy = '' }, { operation, request }) =>
      ((at === 'xml /CopyObjectResult/ETag' && operation === 'PUT object+copy') ||
        (at === 'header etag' && request.key === 'copy-of-parts')) &&
      /^"[0-9a-f]{32}-\d+"$/.test(proxy),
  },
  {
    name: 'which bucket is missing',
    reason: 'of a copy whose source is in a bucket that is not there, MinIO names the bucket of the target',
    stores,
    allows: ({ at, bare = '', proxy = '' }, { operation }) =>
      at === 'xml /Error/BucketName' && operation === 'PUT object+copy' && proxy === `${bare}-gone`,
  },
  {
    name: 'range asked for, as MinIO writes it',
    reason: 'S3 repeats the header; MinIO its own reading of it',
    stores,
    allows: ({ at, proxy }, exchange) =>
      at === 'xml /Error/RangeRequested' &&
      (proxy === sent(exchange, 'range') || (proxy === undefined && /(^|&)partNumber=\d/.test(queryText(exchange)))),
  },
  {
    name: 'markers of MinIO',
    reason: 'MinIO puts the id of a cached listing into markers, and gives a NextMarker without a delimiter too',
    stores,
    allows: ({ at, bare = '', proxy }) =>
      /\/(Next)?(Key)?Marker$/.test(at) &&
      (proxy === undefined
        ? /\[minio_cache:|%5Bminio_cache/.test(bare)
        : bare.replace(CACHE_ID, '') === proxy.replace(CACHE_ID, '')),
  },
  {
    name: 'marker of the null version',
    reason:
      'where versioning was never on, MinIO leaves the marker of the last version empty, and S3 writes null; behind a common prefix S3 has none',
    stores,
    allows: ({ at, bare, proxy }, exchange) =>
      at === 'xml /ListVersionsResult/NextVersionIdMarker' &&
      bare === '' &&
      (proxy === 'null' || (proxy === undefined && exchange.proxy.body.includes('<CommonPrefixes>'))),
  },
  {
    name: 'argument names of MinIO',
    reason: 'MinIO writes them in lower case',
    stores,
    allows: ({ at, bare = '', proxy = '' }) =>
      at === 'xml /Error/ArgumentName' && bare !== proxy && bare === proxy.toLowerCase(),
  },
  {
    name: 'delete markers of MinIO',
    reason: 'MinIO lists them with the ETag, size and storage class of a version',
    stores,
    allows: (difference) =>
      bareOnly(difference) && /\/Version\|DeleteMarker(\[\d+\])?\/(ETag|Size|StorageClass)$/.test(difference.at),
  },
  {
    name: 'parts listed by MinIO',
    reason:
      'NextPartNumberMarker is 0 on the last page, max-parts=0 is not truncated, and a checksum shows that the upload did not ask for',
    stores,
    allows: ({ at, bare, proxy }, exchange) =>
      (/^xml \/ListPartsResult\/NextPartNumberMarker$/.test(at) && bare === '0') ||
      (/^xml \/ListPartsResult\/IsTruncated$/.test(at) && queryText(exchange).includes('max-parts=0')) ||
      (/^xml \/ListPartsResult\/Part(\[\d+\])?\/ChecksumCRC32$/.test(at) && proxy === undefined),
  },
  {
    name: 'documents without a namespace',
    reason:
      "GetObjectAttributes is in S3's namespace under the name GetObjectAttributesResponse; MinIO's is in none, and begins in lower case",
    stores,
    allows: ({ at }, { operation }) =>
      operation === 'GET object?attributes' && /^xml-namespace$|^xml \/getObjectAttributesResponse$/.test(at),
  },
  {
    name: 'bucket and key on every error of MinIO',
    reason: 'S3 names the bucket with codes about buckets alone, and the key with NoSuchKey and NoSuchVersion',
    stores,
    allows: (difference, { request, proxy }) =>
      bareOnly(difference) &&
      ((difference.at === 'xml /Error/BucketName' &&
        /^(twin-|xn--)/.test(difference.bare ?? '') &&
        !/^(NoSuchBucket|BucketNotEmpty|BucketAlready\w+)$/.test(codeIn(proxy))) ||
        (difference.at === 'xml /Error/Key' &&
          named(request).includes(difference.bare ?? '') &&
          !/^NoSuch(Key|Version)$/.test(codeIn(proxy)))),
  },
  {
    name: 'empty elements of MinIO',
    reason: 'markers of a page that is the last one, and the checksum of an upload without one, which S3 leaves out',
    stores,
    allows: ({ at, bare, proxy }, exchange) =>
      bare === '' &&
      proxy === undefined &&
      (/^xml \/ListPartsResult\/Checksum(Algorithm|Type)$/.test(at) ||
        (/^xml \/(ListMultipartUploadsResult\/Next(Key|UploadId)Marker|ListVersionsResult\/NextVersionIdMarker)$/.test(
          at,
        ) &&
          exchange.proxy.body.includes('<IsTruncated>false</IsTruncated>'))),
  },
  outcomes({
    name: 'the end of an empty object',
    reason:
      'S3 answers a suffix range of an empty object with 200 and no bytes; MinIO with 206, and the strict wrapper with 416, as some stores do',
    stores: ['minio', 'moto-strict'],
    rows: [['GET object|HEAD object', '206|416|416 InvalidRange', '200']],
    when: (exchange) => /^bytes=-\d+$/.test(sent(exchange, 'range')) && lengthOf(exchange) === '0',
  }),
  {
    name: 'storage class of a copy',
    reason: 'S3: STANDARD unless the request names one; MinIO keeps that of the source',
    stores,
    allows: (difference) => difference.at === 'header x-amz-storage-class' && bareOnly(difference),
  },
  {
    name: 'type of a form upload',
    reason: 'S3 gives binary/octet-stream to what came without a type; MinIO application/octet-stream to forms',
    stores,
    allows: ({ at, bare, proxy }) =>
      at === 'header content-type' && bare === 'application/octet-stream' && proxy === 'binary/octet-stream',
  },
  {
    name: 'redirect after a form',
    reason: 'the same parameters in another order',
    stores,
    allows: ({ at, bare = '', proxy = '' }) => at === 'header location' && sortedQuery(bare) === sortedQuery(proxy),
  },
  {
    name: 'headers of HeadBucket',
    reason: 'the proxy tells the region, as S3 does',
    allows: ({ at, proxy }, { operation }) =>
      at === 'header x-amz-bucket-region' && proxy === 'us-east-1' && operation === 'HEAD bucket',
  },
];

/** The keys that a request names: its own, that of a copy's source, those of a list. */
function named({ key, headers = [], body = '' }: Exchange['request']): readonly string[] {
  const source = headers.find(([name]) => name.toLowerCase() === 'x-amz-copy-source')?.[1] ?? '';
  const listed = [...String(body).matchAll(/<Key>(.*?)<\/Key>/g)].map(([, found = '']) => found);
  return [...(key === undefined ? [] : [key]), source.split('?')[0]?.split('/').pop() ?? '', ...listed];
}

function lengthOf({ proxy }: Exchange): string | undefined {
  return proxy.headers.find(([name]) => name.toLowerCase() === 'content-length')?.[1];
}

const CACHE_ID = /\[minio_cache:[^\]]*\]|%5Bminio_cache.*?%5D/g;

function sortedQuery(url: string): string {
  const [path, query = ''] = url.split('?');
  return `${path}?${query.split('&').sort().join('&')}`;
}
