/** The embedded store bare: it serves the proxy and leaves to it what the proxy does itself. */
import { type Allowed, outcomes } from './rule.ts';

const stores = ['embedded'] as const;

export const EMBEDDED: readonly Allowed[] = [
  {
    name: 'left to the proxy by the embedded store',
    reason:
      'checksums, GetObjectAttributes and configurations are NotImplemented there; the proxy does the first two, and reads a document before it asks',
    stores,
    allows: ({ at }, { bare, proxy }) => at === 'outcome' && bare.status === 501 && proxy.status < 500,
  },
  outcomes({
    name: 'not checked by the embedded store',
    reason: 'names, lengths, trailers and conditions that the proxy refuses before the store is asked, as S3 does',
    stores,
    rows: [
      ['PUT object', '200', '400 MalformedTrailerError|400 InvalidRequest|411 MissingContentLength|501 NotImplemented'],
      ['HEAD bucket', '404', '400'],
      ['DELETE service|POST service|PUT service|POST object', '405 MethodNotAllowed', '501 NotImplemented'],
      ['POST object?uploadId', '400 EntityTooSmall', '400 InvalidPart'],
      ['GET bucket?list-type', '400 InvalidArgument', '200'],
      ['GET object|PUT object', '400', '400 InvalidURI'],
    ],
  }),
  {
    name: 'addresses and pages of the embedded store',
    reason: 'it does not know under which address it is served, and marks the end of a list of parts otherwise',
    stores,
    allows: ({ at, bare = '', proxy = '' }) =>
      (/^xml \/CompleteMultipartUploadResult\/Location$/.test(at) &&
        decodeURIComponent(proxy) === `http://HOST${decodeURIComponent(bare)}`) ||
      /^xml \/ListPartsResult\/(IsTruncated|NextPartNumberMarker)$/.test(at),
  },
];
