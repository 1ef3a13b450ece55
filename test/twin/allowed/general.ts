/** Differences that any store shows beside any other: addresses, clocks, words, and what S3 says and a store leaves out. */
import { isOrderOfS3 } from './order.ts';
import { type Allowed, bareOnly, proxyOnly } from './rule.ts';

/** Milliseconds between the two writes of one step. */
const CLOCK_TOLERANCE_MS = 5_000;

const SERVER_HEADERS = new Set([
  ...['server', 'date', 'connection', 'keep-alive', 'access-control-allow-origin', 'vary', 'transfer-encoding'],
  ...['strict-transport-security', 'x-content-type-options', 'x-xss-protection', 'content-security-policy'],
  ...['x-ratelimit-limit', 'x-ratelimit-remaining'],
]);

const S3_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>';

/** Elements of a listing that S3 always has, or has when the request has them. */
const ECHOED =
  /^xml \/List\w+Result\/(Marker|Prefix|Delimiter|EncodingType|ContinuationToken|StartAfter|KeyMarker|UploadIdMarker)$/;

export const GENERAL: readonly Allowed[] = [
  {
    name: 'server headers',
    reason: 'headers of the HTTP server that answers, not of S3: Server, Date, connection handling, security headers',
    allows: ({ at }) => at.startsWith('header ') && SERVER_HEADERS.has(at.slice('header '.length)),
  },
  {
    name: 'request ids',
    reason: 'each side numbers its own requests; the proxy always sends both headers',
    allows: ({ at, proxy }) =>
      (/^header x-amz-(request-id|id-2)$/.test(at) || /^xml \/Error\/(RequestId|HostId)$/.test(at)) &&
      proxy !== undefined &&
      proxy !== '',
  },
  {
    name: 'clock',
    reason: 'both sides write within five seconds of each other; the form of the time is the same',
    allows: ({ at, bare, proxy }) =>
      /^header last-modified$|\/(LastModified|Initiated|CreationDate)(\[\d+\])?$/.test(at) &&
      bare !== undefined &&
      proxy !== undefined &&
      shapeOf(bare) === shapeOf(proxy) &&
      Math.abs(Date.parse(bare) - Date.parse(proxy)) <= CLOCK_TOLERANCE_MS,
  },
  {
    name: 'more said of an error',
    reason: "the proxy names the resource, and S3's further elements of a code, where the store does not",
    allows: (difference) => /^xml \/Error\/[A-Z]\w+$/.test(difference.at) && proxyOnly(difference),
  },
  {
    name: 'resource as it was sent',
    reason: 'the proxy repeats the path of the request in the error; a store the decoded name, or its own path of it',
    allows: ({ at, bare = '', proxy = '' }) =>
      at === 'xml /Error/Resource' && [bare, decoded(bare)].includes(decoded(proxy)),
  },
  {
    name: 'error to a HEAD',
    reason: 'a reply without a body; stores differ in whether they tell its length and type',
    allows: ({ at }, { request, bare }) =>
      /^header content-(length|type)$/.test(at) && request.method === 'HEAD' && bare.status >= 300,
  },
  {
    name: 'what a refused read says of the object',
    reason:
      'RFC 9110 wants of a 304 what caches go by, which is required here, and of 412 and 416 nothing; stores say more',
    allows: (difference, { bare }) =>
      [304, 412, 416].includes(bare.status) &&
      bareOnly(difference) &&
      difference.at.startsWith('header ') &&
      !(
        bare.status === 304 &&
        /^header (etag|cache-control|expires|last-modified|x-amz-version-id)$/.test(difference.at)
      ),
  },
  {
    name: 'what a 304 repeats',
    reason: 'RFC 9110 section 15.4.5: what caches go by is sent again, which not every store does',
    allows: ({ at, bare }, exchange) =>
      bare === undefined &&
      exchange.bare.status === 304 &&
      /^header (cache-control|expires|last-modified|x-amz-version-id)$/.test(at),
  },
  {
    name: 'Content-Range of a 416',
    reason: 'RFC 9110 section 14.4: tells the size; not every store does',
    allows: (difference, { bare }) =>
      difference.at === 'header content-range' && bare.status === 416 && /^bytes \*\/\d+$/.test(difference.proxy ?? ''),
  },
  {
    name: 'order of elements',
    reason: "the proxy writes S3's order, which clients that search strings go by; the store another",
    allows: ({ at, proxy = '' }) =>
      at.startsWith('xml-order ') && isOrderOfS3(at.slice('xml-order '.length), proxy.split(' ')),
  },
  {
    name: 'declaration',
    reason: "the proxy writes S3's XML declaration, the store another",
    allows: ({ at, proxy }) => at === 'xml-declaration' && proxy === S3_DECLARATION,
  },
  {
    name: 'accounts',
    reason: 'the owner that the proxy shows is its tenant where the store has none of its own',
    allows: ({ at, proxy = '' }) =>
      /\/(Owner|Initiator)(\[\d+\])?\/(ID|DisplayName)$/.test(at) && /^[0-9a-f]{24}$/.test(proxy),
  },
  {
    name: 'pages of 1,000',
    reason:
      'S3 answers 1,000 rows at most and says so in MaxKeys, MaxUploads and MaxParts; stores echo what was asked, or more',
    allows: ({ at, bare, proxy }) => /\/Max(Keys|Uploads|Parts)$/.test(at) && proxy === '1000' && Number(bare) > 1000,
  },
  {
    name: 'parameters of a listing',
    reason: 'S3 repeats them in its answer; the store leaves some out',
    allows: (difference) => ECHOED.test(difference.at) && (proxyOnly(difference) || difference.bare === ''),
  },
  {
    name: 'checksums kept',
    reason: 'the proxy keeps and shows checksums of objects and parts where the store does not',
    allows: (difference) =>
      proxyOnly(difference) &&
      (difference.at.startsWith('header x-amz-checksum-') ||
        /\/Checksum(Algorithm|Type|CRC\w+|SHA\d+|MD5|XXHASH\d+)?$/.test(difference.at)),
  },
  {
    name: 'metadata outside ASCII',
    reason:
      'S3 answers encoded words (RFC 2047), as the proxy does; a store the bytes, or the other of the two encodings. Decoded they are the same text',
    allows: ({ at, bare = '', proxy = '' }) =>
      at.startsWith('header x-amz-meta-') &&
      /^=\?UTF-8\?[BQ]\?/.test(proxy) &&
      decodedWords(bare) === decodedWords(proxy),
  },
  {
    name: 'url encoding',
    reason:
      "encoding-type=url as S3 has it: a space is '+', '*' stays, '~' does not; other stores encode otherwise or not at all",
    allows: ({ at, bare, proxy }) =>
      /\/(Key|Prefix|StartAfter|Marker|NextMarker|Delimiter|KeyMarker|NextKeyMarker)(\[\d+\])?$/.test(at) &&
      bare !== undefined &&
      proxy !== undefined &&
      [bare, decoded(bare)].includes(decoded(proxy.replaceAll('+', '%20'))),
  },
];

/** The text of encoded words, or of a header's bytes. */
function decodedWords(value: string): string {
  const words = [...value.matchAll(/=\?utf-8\?([bq])\?([^?]*)\?=/gi)];
  if (words.length === 0) return Buffer.from(value, 'latin1').toString('utf8');
  const bytes = words.map(([, encoding = '', text = '']) => {
    if (encoding.toUpperCase() === 'B') return Buffer.from(text, 'base64');
    const escaped = text
      .replaceAll('_', ' ')
      .replace(/%/g, '%25')
      .replace(/=([0-9A-F]{2})/gi, '%$1');
    return Buffer.from(decodeURIComponent(escaped), 'utf8');
  });
  return Buffer.concat(bytes).toString('utf8');
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Digits and letters of a time replaced by what they are. */
function shapeOf(time: string): string {
  return time.replace(/\d/g, '0').replace(/[A-Za-z]+/g, 'a');
}
