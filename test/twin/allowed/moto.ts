/** What moto, a stand-in for tests, does otherwise than S3: it accepts much, and answers 500 to some of what it does not expect. */
import { type Allowed, bareOnly, outcomes, queryText, sent } from './rule.ts';

const stores = ['moto', 'moto-strict'] as const;
const CONFIGURATIONS =
  'PUT bucket?cors|PUT bucket?encryption|PUT bucket?lifecycle|PUT bucket?ownershipControls|PUT bucket?publicAccessBlock|PUT bucket?tagging|PUT bucket?website|PUT bucket?versioning';

export const MOTO: readonly Allowed[] = [
  {
    name: "moto's own headers",
    reason: 'moto echoes request headers, dates what it has just stored, and gives empty bodies a type',
    stores,
    allows: (difference, { bare }) =>
      bareOnly(difference) &&
      (/^header (x-amz-content-sha256|x-amzn-requestid|x-amz-checksum-algorithm|x-amz-sdk-checksum-algorithm)$/.test(
        difference.at,
      ) ||
        (difference.at === 'header last-modified' && bare.body.length < 1000) ||
        (/^header (content-type|etag|accept-ranges)$/.test(difference.at) && bare.body.length === 0)),
  },
  {
    name: 'moto fails',
    reason:
      'moto answers 500, or 503 through the strict wrapper, to what it does not expect: malformed documents and dates, uploads that are over',
    stores,
    allows: ({ at }, { bare, proxy }) => at === 'outcome' && bare.status === 500 && proxy.status !== 500,
  },
  outcomes({
    name: 'moto takes what S3 refuses',
    reason:
      'parameters of listings, names of buckets, documents, digests, directives, trailers and ranges that S3 refuses by its documentation',
    stores,
    rows: [
      [
        'GET bucket|GET bucket?list-type|GET bucket?uploads|GET bucket?versions|GET object?uploadId',
        '200',
        '400 InvalidArgument',
      ],
      ['GET bucket', '200', '501 NotImplemented'],
      ['GET bucket?policy', '200', '404 NoSuchBucketPolicy'],
      ['GET object?attributes', '200', '400 InvalidArgument|400 InvalidRequest'],
      ['GET object?retention|GET object?legal-hold', '200', '501 NotImplemented'],
      ['GET object?uploadId|PUT object?partNumber&uploadId', '200', '404 NoSuchUpload'],
      ['HEAD bucket', '200', '400|404'],
      ['PUT bucket', '200', '400 InvalidBucketName|400 MalformedXML'],
      [
        `${CONFIGURATIONS}|PUT object?tagging|PUT object?retention|PUT object?legal-hold|POST bucket?delete`,
        '200|204',
        '400 MalformedXML',
      ],
      ['PUT bucket?policy', '200|204', '400 MalformedPolicy'],
      [
        'POST object?uploadId',
        '200',
        '400 InvalidPart|404 NoSuchUpload|400 InvalidRequest|400 InvalidPartOrder|400 MalformedXML',
      ],
      ['DELETE object?uploadId', '204', '404 NoSuchUpload'],
      [
        'PUT object',
        '200',
        '400 InvalidRequest|400 MalformedTrailerError|400 BadDigest|400 InvalidDigest|400 IncompleteBody|400 XAmzContentSHA256Mismatch|411 MissingContentLength',
      ],
      ['PUT object?partNumber&uploadId', '200', '400 BadDigest|400 InvalidDigest|400 InvalidRequest'],
      [
        'PUT object+copy|PUT object?partNumber&uploadId+copy',
        '200',
        '400 InvalidArgument|412 PreconditionFailed|416 InvalidRange|400 InvalidRequest',
      ],
      ['PUT object?uploadId', '200', '400 InvalidArgument'],
      ['PUT object', '200', '501 NotImplemented'],
      ['PUT service|POST service|DELETE service', '200', '501 NotImplemented'],
      ['POST bucket?delete', '200', '400 BadDigest|400 InvalidDigest|400 InvalidRequest'],
      [
        'GET object|PUT object|HEAD object',
        '200|404|404 NoSuchKey',
        '400|400 InvalidURI|400 KeyTooLongError|400 InvalidRequest',
      ],
    ],
  }),
  outcomes({
    name: "moto's own codes",
    reason: 'the same refusal under another code; the proxy uses the one that S3 documents',
    stores,
    rows: [
      ['PUT bucket?versioning', '404|404 NoSuchBucket', '400 MalformedXML|404 NoSuchBucket'],
      ['GET object', '416', '416 InvalidPartNumber'],
      ['GET bucket', '404 ReplicationConfigurationNotFoundError', '501 NotImplemented'],
      ['GET object?torrent', '400 InvalidRequest', '501 NotImplemented'],
      ['POST object?uploadId', '400 InvalidPart', '400 InvalidArgument|400 MalformedXML'],
      ['PUT object|PUT object?partNumber&uploadId', '400 BadDigest', '400 InvalidDigest|400 InvalidRequest'],
      ['PUT object+copy', '404 NoSuchBucket', '404 NoSuchKey'],
      ['PUT object+copy', '404 NoSuchVersion', '400 InvalidRequest|400 InvalidArgument'],
      ['GET object|DELETE object', '404 NoSuchVersion|404 NoSuchKey', '400 InvalidArgument'],
    ],
  }),
  outcomes({
    name: 'moto refuses what S3 takes',
    reason: 'an empty continuation token; part number 01 and a repeated Complete, to the strict wrapper',
    stores,
    rows: [
      ['GET bucket?list-type', '400 InvalidArgument', '200'],
      ['PUT object?partNumber&uploadId', '400 InvalidArgument', '200'],
      ['POST object?uploadId', '400 InvalidRequest', '200'],
    ],
  }),
  outcomes({
    name: 'refusals that moto has not, or has in another order',
    reason:
      'metadata over 2 KiB, a torrent, a bucket name and part numbers outside the limits are refused by S3 and the proxy before anything is looked up; moto takes them or says first what is missing. Rows out of order are seen before their sizes',
    stores: ['moto'],
    rows: [
      ['PUT object', '200', '400 MetadataTooLarge'],
      ['GET object?torrent', '200', '501 NotImplemented'],
      ['HEAD bucket', '404', '400'],
      ['GET object|HEAD object', '416', '400|400 InvalidArgument'],
      ['PUT object?partNumber&uploadId', '404 NoSuchUpload', '400 InvalidArgument'],
      ['POST object?uploadId', '400 EntityTooSmall', '400 InvalidPartOrder'],
      ['POST object?uploadId', '400 InvalidPartOrder', '400 InvalidArgument'],
    ],
  }),
  outcomes({
    name: 'conditions on Complete, on moto',
    reason: 'moto ignores one of them; a condition that the store does not keep is NotImplemented in front of it',
    stores: ['moto'],
    rows: [['POST object?uploadId', '200|412 PreconditionFailed', '501 NotImplemented']],
    when: (exchange) => sent(exchange, 'if-match') !== '' || sent(exchange, 'if-none-match') !== '',
  }),
  {
    name: 'keys that moto cuts',
    reason: 'moto ends the key of a request at a semicolon, which S3 and the proxy take for a part of it',
    stores: ['moto'],
    allows: ({ at, bare = '', proxy = '' }) =>
      at === 'xml /ListBucketResult/Contents/Key' &&
      /^(;|%3B)/.test(proxy.slice(bare.length)) &&
      proxy.startsWith(bare),
  },
  {
    name: 'checksums of checksums on moto',
    reason: 'of an object of parts S3 writes the number of parts behind a composite checksum; moto leaves it out',
    stores: ['moto'],
    allows: ({ at, bare = '', proxy = '' }) =>
      /^header x-amz-checksum-\w+$/.test(at) && proxy.startsWith(`${bare}-`) && /-\d+$/.test(proxy),
  },
  outcomes({
    name: 'Complete sent again, on moto',
    reason:
      'S3 and the proxy refuse another list once the upload is complete; moto completes it again or answers for another reason',
    stores,
    rows: [['POST object?uploadId', '200|404 NoSuchUpload', '404 NoSuchUpload|200']],
  }),
  {
    name: 'what moto says of a write',
    reason:
      'lock settings, storage class, a null version and the ETag of a copy, as headers of the reply to a write; Content-MD5 kept as a header of the object',
    stores,
    allows: (difference, { operation }) =>
      bareOnly(difference) &&
      (/^(PUT object|POST object\?uploadId)/.test(operation)
        ? /^header (etag|x-amz-version-id|x-amz-storage-class|x-amz-object-lock-[a-z-]+)$/.test(difference.at)
        : difference.at === 'header content-md5'),
  },
  {
    name: 'quiet deletes on moto',
    reason: 'a quiet DeleteObjects lists errors alone; moto lists what it deleted too',
    stores,
    allows: (difference, { request }) =>
      bareOnly(difference) &&
      difference.at.startsWith('xml /DeleteResult/Deleted') &&
      String(request.body).includes('<Quiet>true'),
  },
  {
    name: 'empty parts on moto',
    reason:
      'of an object whose one part is empty, a HEAD of part 1 shows nothing of the object on moto, and a GET not the number of parts',
    stores,
    allows: ({ at }, exchange) =>
      /^(GET|HEAD) object$/.test(exchange.operation) &&
      queryText(exchange) === 'partNumber=1' &&
      (exchange.request.method === 'HEAD'
        ? /^header (content-type|etag|x-amz-meta-a)$/.test(at)
        : at === 'header x-amz-mp-parts-count'),
  },
  {
    name: 'dates of moto',
    reason: 'Last-Modified of GetObjectAttributes is an HTTP date; moto writes an ISO date',
    stores,
    allows: ({ at, proxy = '' }, { operation }) =>
      at === 'header last-modified' && operation === 'GET object?attributes' && / GMT$/.test(proxy),
  },
  {
    name: 'overrides that moto ignores',
    reason: 'response-* parameters apply to every GET and HEAD; moto applies them only to some',
    stores,
    allows: ({ at }, exchange) =>
      /^header (cache-control|content-(type|disposition|encoding|language)|expires)$/.test(at) &&
      queryText(exchange).includes('response-'),
  },
  {
    name: 'roots of moto',
    reason:
      'ListPartsResponse, CompleteMultipartUploadResponse and GetObjectAttributesOutput; S3 writes ListPartsResult, CompleteMultipartUploadResult and GetObjectAttributesResponse',
    stores,
    allows: ({ at, bare }) =>
      bare?.startsWith('<') === true &&
      /^xml \/(ListPartsResponse|CompleteMultipartUploadResponse|GetObjectAttributesOutput)$/.test(at),
  },
  {
    name: 'owners that nobody asked for',
    reason: 'S3 lists owners only with fetch-owner=true; moto with any value',
    stores,
    allows: (difference) =>
      bareOnly(difference) && /^xml \/ListBucketResult\/Contents(\[\d+\])?\/Owner$/.test(difference.at),
  },
  {
    name: 'pages of moto',
    reason:
      'ListMultipartUploads on moto knows no page size and no markers; markers of ListObjects stand without a delimiter too',
    stores,
    allows: ({ at, proxy }) =>
      /^xml \/ListMultipartUploadsResult\/(MaxUploads|KeyMarker|UploadIdMarker)$/.test(at) ||
      (/^xml \/ListBucketResult\/NextMarker$/.test(at) && proxy === undefined),
  },
  {
    name: 'null versions of moto',
    reason:
      'moto keeps several null versions of a key and reads only one of them; the others are listed as what cannot be opened',
    stores,
    allows: ({ at }, { request }) =>
      request.method === 'GET' && /^xml \/ListVersionsResult\/Version\|DeleteMarker(\[\d+\])?\/(ETag|Size)$/.test(at),
  },
  {
    name: 'tags that moto keeps',
    reason: 'the count of tags on replies that S3 sends without',
    stores,
    allows: ({ at }, exchange) => at === 'header x-amz-tagging-count' && sent(exchange, 'range') === '',
  },
];
