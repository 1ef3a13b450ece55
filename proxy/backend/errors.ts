/**
 * What a backend's error means for the client. Most S3 codes mean the same on both sides and pass; those that speak of
 * the request which the proxy itself made (its credentials, its signature, its digests) must not look like the
 * client's fault. Source: Amazon S3 API reference, "Error responses".
 */
import { isS3ErrorCode, S3Error, type S3ErrorCode } from '../errors.ts';
import { MAX_BACKEND_ERROR_BYTES } from '../limits.ts';
import { parseXml } from '../xml/render-xml.ts';
import { type BackendResponse, BackendUnavailable } from './backend.ts';
import { readBody } from './read-body.ts';

/** A backend's error document. `code` is '' when there was none to read (HEAD, a proxy in between). */
export interface BackendErrorDocument {
  readonly code: string;
  readonly message: string;
  readonly status: number;
}

/** What was being done, for the message; the presence of `key` and `bucket` decides what a bare 404 means. */
export type FailureContext =
  | string
  | {
      readonly operation?: string;
      readonly bucket?: string | undefined;
      readonly key?: string | undefined;
      /** An object lock, or a missing second factor, may be what denies it: then AccessDenied is the client's answer. */
      readonly mayBeLocked?: boolean;
    };

/**
 * Reads the body of an error answer, at most MAX_BACKEND_ERROR_BYTES; a document that cannot be read gives code ''.
 * @throws the abort reason, when the request was aborted meanwhile.
 */
export async function readErrorResponse(response: BackendResponse): Promise<BackendErrorDocument> {
  const { status } = response;
  try {
    const body = await readBody(response, { maxBytes: MAX_BACKEND_ERROR_BYTES });
    if (body.length === 0) return { code: '', message: '', status };
    const error = parseXml(body.toString('utf8').trim(), 'Error');
    return { code: error.value('Code')?.trim() ?? '', message: error.value('Message') ?? '', status };
  } catch (error) {
    if (error instanceof S3Error || error instanceof BackendUnavailable) return { code: '', message: '', status };
    throw error;
  }
}

/** Codes about who the proxy is to the backend, not about the client. */
const OWN_CREDENTIALS: ReadonlySet<string> = new Set([
  'AccessDenied',
  'AccountProblem',
  'AllAccessDisabled',
  'AuthorizationHeaderMalformed',
  'AuthorizationQueryParametersError',
  'ExpiredToken',
  'InvalidAccessKeyId',
  'InvalidSecurity',
  'InvalidToken',
  'NotSignedUp',
  'RequestTimeTooSkewed',
  'SignatureDoesNotMatch',
  'TokenRefreshRequired',
  'Unauthorized',
]);

/** Codes about bytes damaged or late between proxy and backend: the same request may well succeed next time. */
const TRANSIENT: ReadonlySet<string> = new Set([
  'BadDigest',
  'IncompleteBody',
  'RequestExpired',
  'RequestTimeout',
  'XAmzContentSHA256Mismatch',
]);

/** Codes about how the proxy itself built the request: a bug or a wrong setting, which the client cannot cure. */
const OWN_REQUEST: ReadonlySet<string> = new Set([
  'InvalidDigest',
  'InvalidURI',
  'MetadataTooLarge',
  'MissingContentLength',
  'MissingSecurityHeader',
  'RequestHeaderSectionTooLarge',
]);

/** Other names for a code of S3, among S3-compatible stores. */
const SYNONYMS: ReadonlyMap<string, S3ErrorCode> = new Map([
  ['NotFound', 'NoSuchKey'],
  ['RequestRateLimitExceeded', 'SlowDown'],
  ['SlowDownRead', 'SlowDown'],
  ['SlowDownWrite', 'SlowDown'],
  ['TooManyRequests', 'SlowDown'],
  ['XMinioInvalidObjectName', 'InvalidArgument'],
  ['XMinioInvalidResourceName', 'InvalidArgument'],
  ['TooManyRequestsException', 'SlowDown'],
]);

/** What a status alone means, when no code came with it. 404 depends on what was asked for. */
const BY_STATUS: ReadonlyMap<number, S3ErrorCode> = new Map([
  [304, 'NotModified'],
  [405, 'MethodNotAllowed'],
  [412, 'PreconditionFailed'],
  [416, 'InvalidRange'],
  [429, 'SlowDown'],
  [501, 'NotImplemented'],
]);

/**
 * The error that the client gets for a backend's answer. Never carries the backend's own text, which may name the
 * proxy's access key id; `cause` holds status and code for the log.
 */
export function backendFailure(status: number, code: string, context: FailureContext = {}): S3Error {
  const what = describe(context);
  const cause = new Error(`The backend answered ${status} ${code || '(no code)'}${what}`);
  const options = { cause };
  if (code === 'AccessDenied' && typeof context !== 'string' && context.mayBeLocked === true) {
    return new S3Error('AccessDenied', 'Access Denied: the object may be protected by object lock.', options);
  }
  if (OWN_CREDENTIALS.has(code) || status === 401 || (status === 403 && !isS3ErrorCode(code))) {
    return new S3Error('ServiceUnavailable', "The proxy's credentials were refused by the backend.", options);
  }
  if (TRANSIENT.has(code)) {
    return new S3Error('ServiceUnavailable', 'The request was damaged on its way to the backend. Try again.', options);
  }
  if (OWN_REQUEST.has(code)) return new S3Error('InternalError', undefined, options);
  const known = SYNONYMS.get(code) ?? (isS3ErrorCode(code) ? code : undefined);
  if (code === 'NotFound' || (code === '' && status === 404)) return named(notFound(context), context, cause);
  if (known !== undefined && isPlausible(new S3Error(known).status, status)) {
    return named(known === 'InternalError' ? 'ServiceUnavailable' : known, context, cause);
  }
  const fallback = BY_STATUS.get(status) ?? (status >= 500 ? 'ServiceUnavailable' : 'InternalError');
  return new S3Error(fallback, undefined, options);
}

/** Codes about one bucket: S3 names it. */
const OF_BUCKET =
  /^(NoSuchBucket|BucketNotEmpty|BucketAlready\w+|NoSuch\w+Configuration|NoSuchTagSet|NoSuchBucketPolicy|\w+NotFoundError)$/;

/** With what S3's document of that code names, in the client's own words: the bucket, the key. */
function named(code: S3ErrorCode, context: FailureContext, cause: Error): S3Error {
  const { bucket, key } = typeof context === 'string' ? {} : context;
  const details = {
    ...(bucket !== undefined && OF_BUCKET.test(code) ? { BucketName: bucket } : {}),
    ...(key !== undefined && code === 'NoSuchKey' ? { Key: key } : {}),
  };
  return new S3Error(code, undefined, { cause, details });
}

/** A code of the 2xx or 4xx family under a 5xx status, or the reverse, is not believed. */
function isPlausible(expected: number, actual: number): boolean {
  return actual < 300 || Math.floor(expected / 100) === Math.floor(actual / 100);
}

function notFound(context: FailureContext): S3ErrorCode {
  if (typeof context === 'string' || context.key !== undefined) return 'NoSuchKey';
  return context.bucket === undefined ? 'NoSuchKey' : 'NoSuchBucket';
}

function describe(context: FailureContext): string {
  const operation = typeof context === 'string' ? context : context.operation;
  return operation === undefined ? '' : ` to ${operation}`;
}
