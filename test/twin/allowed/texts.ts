/**
 * Texts for people that a store words in its own way: for each code, what the store writes and what the proxy writes in its place,
 * whole. Everywhere else the texts are compared: clients search them.
 */
import { errorTable } from '../../../proxy/errors.ts';
import type { StoreName } from '../difference.ts';
import { type Allowed, codeIn } from './rule.ts';

type Row = readonly [code: string, bare: RegExp | string, proxy: RegExp | string];

const XML = 'The XML you provided was not well-formed or did not validate against our published schema';
const NO_UPLOAD =
  'The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.';
const NOT_IMPLEMENTED = 'A header you provided implies functionality that is not implemented';
const OF_THIS_ENDPOINT =
  /^(GET|PUT|POST|DELETE) with \?[\w&]+ is not implemented by this endpoint\. See its table of operations\.$/;
const TRUNCATED = /^The request body terminated unexpectedly(: [ \w-]+\.)?$/;
const CONTENT_LENGTH = 'You did not provide the number of bytes specified by the Content-Length HTTP header.';
const OTHER_MD5 = 'The Content-MD5 you specified did not match what we received.';
const OTHER_CHECKSUM = /^The \w+ you specified did not match the calculated checksum\.$/;
const TOO_SMALL: Row = [
  'EntityTooSmall',
  'Your proposed upload is smaller than the minimum allowed object size.',
  'Your proposed upload is smaller than the minimum allowed size',
];

const MINIO: readonly Row[] = [
  TOO_SMALL,
  [
    'EntityTooLarge',
    'Your proposed upload exceeds the maximum allowed object size.',
    'Your proposed upload exceeds the maximum allowed size',
  ],
  ['InvalidRange', /^The requested range '.*' is not satisfiable$/, 'The requested range is not satisfiable'],
  ['NoSuchUpload', /^The specified multipart upload does not exist\. /, NO_UPLOAD],
  ['MalformedXML', /^(The XML you provided was not|XML syntax error|expected element) /, XML],
  [
    'BadDigest',
    'The Content-Md5 you specified did not match what we received.',
    'The Content-MD5 you specified did not match what we received.',
  ],
  ['InvalidDigest', 'The Content-Md5 you specified is not valid.', 'The Content-MD5 you specified was invalid.'],
  ['InvalidStorageClass', 'Invalid storage class.', 'The storage class you specified is not valid'],
  ['MalformedPolicy', 'unexpected EOF', "Policies must be valid JSON and the first byte must be '{'"],
  ['IncompleteBody', CONTENT_LENGTH, TRUNCATED],
  ['NotImplemented', NOT_IMPLEMENTED, OF_THIS_ENDPOINT],
  ['AccessDenied', /^Access Denied\. \(Invalid according to Policy: .*\)$/, /^Invalid according to Policy: /],
  [
    'InvalidArgument',
    'Argument maxKeys must be an integer between 0 and 2147483647',
    'Argument max-keys must be an integer between 0 and 2147483647',
  ],
  [
    'InvalidArgument',
    'Argument partNumberMarker must be an integer.',
    'Argument part-number-marker must be an integer between 0 and 2147483647',
  ],
  [
    'InvalidArgument',
    'Part number must be an integer between 1 and 10000, inclusive',
    'Argument max-parts must be an integer between 0 and 2147483647',
  ],
  [
    'InvalidArgument',
    'Copy Source must mention the source bucket and key: sourcebucket/sourcekey.',
    'Copy Source must mention the source bucket and key: sourcebucket/sourcekey',
  ],
  ['InvalidArgument', 'Unknown tag directive.', 'Unknown tagging directive.'],
  [
    'InvalidArgument',
    /^'.*' does not start with 'bytes='$/,
    /^The x-amz-copy-source-range value must be of the form bytes=first-last /,
  ],
  [
    'InvalidArgument',
    'Range specified is not valid for source object',
    /^Range specified is not valid for source object of size: \d+$/,
  ],
];

const MOTO: readonly Row[] = [
  TOO_SMALL,
  ['IncompleteBody', CONTENT_LENGTH, TRUNCATED],
  ['BadDigest', OTHER_MD5, OTHER_CHECKSUM],
  [
    'InvalidPart',
    /^One or more of the specified parts could not be found\. The part might not have been uploaded, /,
    /^One or more of the specified parts could not be found\. {2}The part may not have been uploaded, /,
  ],
  [
    'InvalidTag',
    /^1 validation error detected: Value '.*' at 'tags\.1\.member\.(key|value)' failed to satisfy constraint: /s,
    /^The tag provided was not a valid tag\. /,
  ],
];

/** The proxy's own checks come first: what is wrong is said in more words than the embedded store, which sees it never, has. */
const EMBEDDED: readonly Row[] = [
  [
    'InvalidRequest',
    /^This copy request is illegal because it copies /,
    /^This copy request is illegal because it is trying to copy /,
  ],
  ['InvalidArgument', 'Unknown directive.', /^Unknown (metadata|tagging) directive\.$/],
  ['InvalidArgument', 'Invalid Argument', 'Part number must be an integer between 1 and 10000, inclusive'],
  [
    'InvalidArgument',
    /^The x-amz-copy-source-range value must be of the form bytes=first-last and lie within \d+ bytes\.$/,
    /^(Range specified is not valid for source object of size: \d+|The x-amz-copy-source-range value must be of the form bytes=first-last where .*)$/,
  ],
  ['NotImplemented', NOT_IMPLEMENTED, OF_THIS_ENDPOINT],
  ['NotImplemented', NOT_IMPLEMENTED, 'On a write, If-None-Match takes only the value *.'],
  ['IncompleteBody', CONTENT_LENGTH, TRUNCATED],
  ['InvalidArgument', 'Invalid Argument', 'Invalid List Type specified in Request'],
  [
    'InvalidArgument',
    'Argument partNumber must be an integer between 1 and 10000',
    'Part number must be an integer between 1 and 10000, inclusive',
  ],
  ['InvalidRequest', 'Invalid Request', /^Value for x-amz-checksum-\w+ header is invalid\.$/],
  [
    'InvalidRequest',
    'Missing required header for this request: Content-MD5',
    'Missing required header for this request: Content-MD5 OR x-amz-checksum-*',
  ],
  [
    'InvalidRequest',
    'The size given in x-amz-mp-object-size is not that of the parts.',
    /^The provided 'x-amz-mp-object-size' header value \d+ does not match what was computed: \d+$/,
  ],
  [
    'InvalidRequest',
    /^The source of a copy request may not specifically refer to a delete marker\.$/,
    'The source of a copy request may not specifically refer to a delete marker by version id.',
  ],
  [
    'BadDigest',
    'The Content-MD5 you specified did not match what we received.',
    /^The \w+ you specified did not match the calculated checksum\.$/,
  ],
];

const matches = (wanted: RegExp | string, text: string) =>
  typeof wanted === 'string' ? wanted === text : wanted.test(text);

const isText = (at: string) => /^xml (\/Error|\/DeleteResult\/Error(\[\d+\])?)\/Message$/.test(at);

function texts(name: string, reason: string, stores: readonly StoreName[], rows: readonly Row[]): Allowed {
  return {
    name,
    reason,
    stores,
    allows: ({ at, bare = '', proxy = '' }, exchange) =>
      isText(at) &&
      rows.some(
        ([code, wanted, ours]) => code === codeIn(exchange.proxy) && matches(wanted, bare) && matches(ours, proxy),
      ),
  };
}

/** What the proxy says where S3 has no one text for the code. */
const EXPLAINED: readonly RegExp[] = [
  /^Part number must be an integer between 1 and 10000, inclusive$/,
  /^The \w+ you specified did not match the calculated checksum\.$/,
  /^Missing required header for this request: Content-MD5 OR x-amz-checksum-\*$/,
  /^The provided 'x-amz-mp-object-size' header value \d+ does not match what was computed: \d+$/,
  TRUNCATED,
];

/** The wrapper in front of moto speaks to tests, in a word or two. Behind it moto's own texts are compared, as on moto. */
const STRICT: Allowed = {
  name: 'texts of the strict wrapper',
  reason: 'the wrapper says in its own words what it refuses; the proxy has the text of S3',
  stores: ['moto-strict'],
  allows: ({ at, bare = '', proxy = '' }, exchange) => {
    const code = codeIn(exchange.proxy);
    const ofS3 = S3_TEXTS.get(code);
    return isText(at) && bare !== ofS3 && (proxy === ofS3 || EXPLAINED.some((pattern) => pattern.test(proxy)));
  },
};

const S3_TEXTS = new Map(errorTable().map(([code, , text]) => [code, text]));

export const TEXTS: readonly Allowed[] = [
  STRICT,
  texts(
    'texts of MinIO',
    "MinIO's own words where the proxy has those of S3, or says more of what it refuses: one row for each",
    ['minio'],
    MINIO,
  ),
  texts(
    'texts of moto',
    "moto's own words where the proxy has those of S3: one row for each",
    ['moto', 'moto-strict'],
    MOTO,
  ),
  texts(
    'texts of the embedded store',
    'what the proxy refuses before the store is asked, it explains: one row for each',
    ['embedded'],
    EMBEDDED,
  ),
];
