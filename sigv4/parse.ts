/**
 * What a request claims about who sent it, read but not yet verified.
 *
 * Sources: AWS documentation, "Authenticating Requests: Using the Authorization Header" and "Using Query Parameters". A
 * request that carries both an Authorization header and query authentication is refused, as S3 does: neither can then
 * stand in for the other.
 */
import { authorizationFields, sigV2Refused } from './authorization.ts';
import { ALGORITHM, MAX_EXPIRES_SECONDS } from './constants.ts';
import { malformed, parseCredential, parseSignedHeaders, queryRefused } from './credential.ts';
import { basicDate, parseBasicDate, parseDateHeader } from './date.ts';
import { SigV4Error } from './errors.ts';
import { canonicalHeaderValues, type HeaderPair } from './headers.ts';
import { type PayloadMode, parsePayloadMode } from './payload.ts';
import { parseQuery, type QueryPair } from './query.ts';
import type { CredentialScope } from './string-to-sign.ts';

export type { PayloadMode } from './payload.ts';

/** A request as received: text has one character per byte, as `node:http` gives it. */
export interface SignedRequest {
  readonly method: string;
  /** Raw path of the request target, before `?`, as sent. */
  readonly path: string;
  /** Raw query, after `?`, as sent; '' if none. */
  readonly query: string;
  /** Every header as received, in order, duplicates kept. */
  readonly headers: readonly HeaderPair[];
}

export interface UnverifiedClaim {
  readonly kind: 'header' | 'presigned';
  readonly accessKeyId: string;
  /** As signed: `YYYYMMDD'T'HHMMSS'Z'`. */
  readonly date: string;
  readonly scope: CredentialScope;
  /** Lower-case names, as listed. */
  readonly signedHeaders: readonly string[];
  readonly signature: string;
  /** Seconds, 1..604800; presigned URLs only. */
  readonly expires?: number;
  readonly payload: PayloadMode;
  readonly sessionToken?: string;
  readonly timestamp: Date;
}

/** For services other than S3, whose clients need not say what the body hashes to. */
export interface ClaimOfService {
  /** The service that the scope must name. */
  readonly service: string;
  /** SHA-256 of the body, in hex: what is signed where no x-amz-content-sha256 was sent. */
  readonly bodySha256: string;
}

/**
 * Reads the claim of a request: to S3, or to the service given, which takes header authentication only.
 * @throws SigV4Error AccessDenied for an anonymous request or a presigned lifetime out of bounds; InvalidRequest for SigV2
 *   and SigV4A; else S3's code for what is malformed.
 */
export function parseClaim(request: SignedRequest, of?: ClaimOfService): UnverifiedClaim {
  if (!request.path.startsWith('/')) throw new SigV4Error('InvalidURI', "Couldn't parse the specified URI.");
  const headers = canonicalHeaderValues(request.headers);
  const query = parseQuery(request.query);
  const authorization = headers.get('authorization');
  const inQuery = query.some(([name]) => QUERY_AUTH.has(name));
  if (inQuery && authorization !== undefined) {
    throw new SigV4Error(
      'InvalidArgument',
      'Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or the Authorization header should be specified',
      { ArgumentName: 'Authorization' },
    );
  }
  if (inQuery && of === undefined) return presignedClaim(query, headers);
  if (authorization) return headerClaim(authorization, headers, of);
  throw new SigV4Error(
    'AccessDenied',
    'Anonymous access is not allowed. Sign the request with your access key (AWS Signature Version 4).',
  );
}

const QUERY_AUTH = new Set([
  'X-Amz-Algorithm',
  'X-Amz-Credential',
  'X-Amz-Signature',
  'X-Amz-SignedHeaders',
  'AWSAccessKeyId',
  'Signature',
]);

type Headers = ReadonlyMap<string, string>;

function headerClaim(authorization: string, headers: Headers, of: ClaimOfService | undefined): UnverifiedClaim {
  const fields = authorizationFields(authorization);
  const { accessKeyId, scope } = parseCredential(fields.credential, 'header', of?.service);
  const signedHeaders = parseSignedHeaders(fields.signedHeaders, 'header');
  const amzDate = headers.get('x-amz-date');
  const timestamp = amzDate === undefined ? parseDateHeader(headers.get('date') ?? '') : parseBasicDate(amzDate);
  if (timestamp === undefined) {
    throw new SigV4Error('AccessDenied', 'AWS authentication requires a valid Date or x-amz-date header.');
  }
  const contentSha256 = headers.get('x-amz-content-sha256') ?? of?.bodySha256;
  if (contentSha256 === undefined) {
    throw new SigV4Error('InvalidRequest', 'Missing required header for this request: x-amz-content-sha256');
  }
  const sessionToken = headers.get('x-amz-security-token');
  return {
    kind: 'header',
    accessKeyId,
    scope,
    signedHeaders,
    signature: fields.signature,
    date: scopedDate(timestamp, scope, 'header'),
    timestamp,
    payload: parsePayloadMode(contentSha256),
    ...(sessionToken === undefined ? {} : { sessionToken }),
  };
}

function presignedClaim(query: readonly QueryPair[], headers: Headers): UnverifiedClaim {
  const parameter = (name: string): string => {
    const values = query.filter(([found]) => found === name);
    if (values.length > 1) throw queryRefused(`${name} is given more than once.`);
    const value = values[0]?.[1];
    if (!value) throw queryRefused(MISSING_PARAMETERS);
    return value;
  };
  const optional = (name: string): string | undefined =>
    query.some(([found]) => found === name) ? parameter(name) : undefined;

  const algorithm = optional('X-Amz-Algorithm');
  if (algorithm === undefined && query.some(([name]) => name === 'AWSAccessKeyId' || name === 'Signature')) {
    throw sigV2Refused();
  }
  if (algorithm === undefined) throw queryRefused(MISSING_PARAMETERS);
  if (algorithm !== ALGORITHM) throw queryRefused(`X-Amz-Algorithm only supports "${ALGORITHM}"`);
  const { accessKeyId, scope } = parseCredential(parameter('X-Amz-Credential'), 'presigned');
  const signedHeaders = parseSignedHeaders(parameter('X-Amz-SignedHeaders'), 'presigned');
  const timestamp = parseBasicDate(parameter('X-Amz-Date'));
  if (timestamp === undefined) {
    throw queryRefused(`X-Amz-Date must be in the ISO8601 Long Format "yyyyMMdd'T'HHmmss'Z'"`);
  }
  const expires = parseExpires(parameter('X-Amz-Expires'));
  const signature = parameter('X-Amz-Signature');
  const sessionToken = optional('X-Amz-Security-Token');
  if (sessionToken !== undefined && headers.has('x-amz-security-token')) {
    throw queryRefused('The security token is given both as a header and as a query parameter.');
  }
  const token = sessionToken ?? headers.get('x-amz-security-token');
  return {
    kind: 'presigned',
    accessKeyId,
    scope,
    signedHeaders,
    signature,
    date: scopedDate(timestamp, scope, 'presigned'),
    timestamp,
    expires,
    payload: presignedPayload(optional('X-Amz-Content-Sha256'), signedHeaders, headers),
    ...(token === undefined ? {} : { sessionToken: token }),
  };
}

const MISSING_PARAMETERS =
  'Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.';

/** Out of bounds is 403, as the S3 compatibility suites expect; what is not a number is 400. */
function parseExpires(text: string): number {
  if (!/^-?\d{1,15}$/.test(text)) throw queryRefused('X-Amz-Expires should be a number');
  const seconds = Number(text);
  if (seconds < 1 || seconds > MAX_EXPIRES_SECONDS) {
    throw new SigV4Error(
      'AccessDenied',
      `X-Amz-Expires must be at least 1 and at most ${MAX_EXPIRES_SECONDS} seconds (seven days).`,
      { 'X-Amz-Expires': String(seconds) },
    );
  }
  return seconds;
}

/**
 * A presigned body is unsigned unless a signed value says otherwise. Chunked framing is refused wherever it is named: a URL
 * has no place for the signatures that would protect it.
 */
function presignedPayload(
  parameter: string | undefined,
  signedHeaders: readonly string[],
  headers: Headers,
): PayloadMode {
  const header = headers.get('x-amz-content-sha256');
  for (const value of [parameter, header]) {
    if (value?.startsWith('STREAMING-')) {
      throw new SigV4Error('InvalidRequest', 'A presigned URL cannot be used with a chunked (STREAMING-*) payload.');
    }
  }
  const signed = parameter ?? (signedHeaders.includes('x-amz-content-sha256') ? header : undefined);
  return signed === undefined ? { kind: 'unsigned' } : parsePayloadMode(signed);
}

/** The signed date, when it is the day of the scope. */
function scopedDate(timestamp: Date, scope: CredentialScope, place: 'header' | 'presigned'): string {
  const date = basicDate(timestamp);
  if (!date.startsWith(scope.date)) {
    throw malformed(place, 'Invalid credential date. This date is not the same as X-Amz-Date.');
  }
  return date;
}
