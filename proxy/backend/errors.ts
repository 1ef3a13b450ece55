/**
 * What a backend's error means for the client. A refusal of the client's request passes with its code, status and elements.
 * A refusal that speaks of the request which the proxy itself made (its credentials, its signature, its digests) must not
 * look like the client's fault. Source: Amazon S3 API reference, "Error responses".
 */
import { isS3ErrorCode, S3Error, type S3ErrorCode, type StoreCode } from '../errors.ts';
import { MAX_BACKEND_ERROR_BYTES } from '../limits.ts';
import { parseXml, type XmlNode } from '../xml/render-xml.ts';
import { type BackendResponse, BackendUnavailable } from './backend.ts';
import { isFitForClients, PASSED_ELEMENTS } from './error-text.ts';
import { readBody } from './read-body.ts';
import { type BackendErrorDocument, StoreRefusal, showable } from './trouble/store-refusal.ts';

/** The operation that failed, for the message. Whether `key` and `bucket` are present decides what a bare 404 means. */
export type FailureContext =
  | string
  | {
      readonly operation?: string;
      readonly bucket?: string | undefined;
      readonly key?: string | undefined;
      readonly versionId?: string | undefined;
      readonly uploadId?: string | undefined;
    };

/**
 * Reads the body of an error answer, at most MAX_BACKEND_ERROR_BYTES; a document that cannot be read gives code ''.
 * @throws the abort reason, when the request was aborted meanwhile.
 */
export async function readErrorResponse(response: BackendResponse): Promise<BackendErrorDocument> {
  try {
    return readErrorBody(response, await readBody(response, { maxBytes: MAX_BACKEND_ERROR_BYTES }));
  } catch (error) {
    if (error instanceof BackendUnavailable) return { ...withoutDocument(response.status), ...headFacts(response) };
    throw error;
  }
}

type Answered = Pick<BackendResponse, 'status' | 'headers' | 'secrets'>;

/** The same of a body that was read already. */
export function readErrorBody(response: Answered, body: Buffer): BackendErrorDocument {
  const facts = headFacts(response);
  const text = body.toString('utf8').trim();
  if (text === '') return { ...withoutDocument(response.status), ...facts };
  try {
    const error = parseXml(text, 'Error');
    // Some stores name the caller's key id in the message, and all of them beside it.
    const secrets = [...(response.secrets ?? []), error.value('AWSAccessKeyId')?.trim() ?? ''];
    const shown = showable(error.value('Message') ?? '', secrets);
    const region = facts.region ?? error.value('Region')?.trim();
    return { ...errorDocument(error, response.status), ...facts, shown, region };
  } catch (error) {
    if (!(error instanceof S3Error)) throw error;
    return { ...withoutDocument(response.status), ...facts, shown: showable(textOf(text), response.secrets) };
  }
}

/** The facts about the store in the head of an answer: the region of the bucket, and the time. */
export function headFacts({ headers }: Answered): Pick<BackendErrorDocument, 'region' | 'storeTime'> {
  const storeTime = Date.parse(headers['date'] ?? '');
  return {
    region: headers['x-amz-bucket-region'],
    storeTime: Number.isNaN(storeTime) ? undefined : storeTime,
  };
}

/** The text of a page in HTML or plain text, from an endpoint that is not S3. */
function textOf(page: string): string {
  return page
    .replace(/<(style|script)[\s>].*?<\/\1>/gis, ' ')
    .replace(/<[^>]*>/g, ' ')
    .replace(/\s+/g, ' ');
}

/** An `<Error>` element, which also stands under 200 where a store answered before it was done. */
export function errorDocument(error: XmlNode, status: number): BackendErrorDocument {
  const elements: Record<string, string> = {};
  for (const name of PASSED_ELEMENTS) {
    const value = error.value(name);
    if (value !== undefined && isFitForClients(value)) elements[name] = value;
  }
  return { code: error.value('Code')?.trim() ?? '', message: error.value('Message') ?? '', status, elements };
}

/** The answer to a HEAD, or of something in between that is no store. */
export function withoutDocument(status: number, code = ''): BackendErrorDocument {
  return { code, message: '', status, elements: {} };
}

/** Codes about who the proxy is to the backend, not about the client. */
const OWN_CREDENTIALS =
  /^(Authorization(Header|QueryParameters|Parameters)\w*|SignatureDoesNotMatch|SignatureVersionNotSupported|IncompleteSignature|Credentials?NotSupported|CredentialAccessKey\w*|(Expired|Invalid)Token(Id|Exception)?|ExpiredTokenException|TokenRefreshRequired|Invalid(AccessKeyId|ClientTokenId|Region|Security)|UnrecognizedClient\w*|Missing(AuthenticationToken|Fields)|RequestTimeTooSkewed|NotSignedUp|OptInRequired|AccountProblem|AllAccessDisabled|PermanentRedirect|TemporaryRedirect|Unauthorized\w*)$/;

/** Codes that refuse what was asked for, under a status that otherwise means that the proxy was not recognised. */
const FORBIDDEN: ReadonlySet<string> = new Set([
  'AccessDenied',
  'CrossLocationLoggingProhibited',
  'InvalidObjectState',
  'InvalidPayer',
  'ObjectAlreadyInActiveTierError',
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

/** The meaning of a status without a code. 404 depends on what was asked for. */
const BY_STATUS: ReadonlyMap<number, S3ErrorCode> = new Map([
  [304, 'NotModified'],
  [405, 'MethodNotAllowed'],
  [412, 'PreconditionFailed'],
  [416, 'InvalidRange'],
  [429, 'SlowDown'],
  [501, 'NotImplemented'],
]);

/** Statuses under which a code outside the table is passed on. */
const REFUSALS: ReadonlySet<number> = new Set([400, 403, 404, 405, 409, 412, 416, 422]);
/** A code as S3 writes one. */
const CODE = /^[A-Z][A-Za-z0-9]*(\.[A-Z][A-Za-z0-9]*)?$/;
const MAX_CODE_CHARS = 80;

/** Codes whose text says what is wrong, in other words each time. Of all others S3's own text is sent. */
const EXPLAINED: ReadonlySet<string> = new Set([
  'BadRequest',
  'IllegalVersioningConfigurationException',
  'InvalidArgument',
  'InvalidBucketState',
  'InvalidRequest',
  'InvalidTag',
  'InvalidTargetBucketForLogging',
  'MalformedACLError',
  'MalformedPolicy',
  'MalformedXML',
  'MethodNotAllowed',
  'NotImplemented',
]);

/** The store denies what the proxy asked for, rather than Sealgate denying the client. */
export function isDeniedByStore(error: unknown): boolean {
  return error instanceof S3Error && error.code === 'AccessDenied' && error.cause instanceof StoreRefusal;
}

/** The error that the client gets for a backend's answer. `cause` holds the answer, for the log and explain-store-failure.ts. */
export function backendFailure(answer: BackendErrorDocument, context: FailureContext = {}): S3Error {
  const { status, code } = answer;
  const cause = new StoreRefusal(answer, typeof context === 'string' ? context : context.operation);
  const options = { cause };
  if (code === 'AccessDenied') return denied(answer, cause);
  if (OWN_CREDENTIALS.test(code) || isAboutProxy(status, code)) {
    return new S3Error('ServiceUnavailable', "The proxy's credentials were refused by the backend.", options);
  }
  if (TRANSIENT.has(code)) {
    return new S3Error('ServiceUnavailable', 'The request was damaged on its way to the backend. Try again.', options);
  }
  if (OWN_REQUEST.has(code)) return new S3Error('InternalError', undefined, options);
  const known = SYNONYMS.get(code) ?? (isS3ErrorCode(code) ? code : undefined);
  if (code === 'NotFound' || (code === '' && status === 404)) return passed(notFound(context), answer, context, cause);
  if (known !== undefined && isPlausible(new S3Error(known).status, status)) {
    return passed(known === 'InternalError' ? 'ServiceUnavailable' : known, answer, context, cause);
  }
  if (known === undefined && REFUSALS.has(status) && code.length <= MAX_CODE_CHARS && CODE.test(code)) {
    const message = isFitForClients(answer.message) ? answer.message : '';
    return new S3Error({ code: code as StoreCode, status }, message, { cause, details: answer.elements });
  }
  const fallback = BY_STATUS.get(status) ?? (status >= 500 ? 'ServiceUnavailable' : 'InternalError');
  return new S3Error(fallback, undefined, options);
}

/** Whether the status concerns the proxy, whatever the code: its credentials are unknown, or it is sent to another region. */
function isAboutProxy(status: number, code: string): boolean {
  return status === 401 || status === 301 || status === 307 || (status === 403 && !FORBIDDEN.has(code));
}

/** The store knows the proxy and refuses the request: the bucket is another account's, a policy or a lock forbids it. */
function denied(answer: BackendErrorDocument, cause: Error): S3Error {
  // The store's own text may name the proxy's account. S3 has one text for locks.
  const isLocked = /object[ -]?lock|WORM|retention|legal hold/i.test(answer.message);
  return new S3Error('AccessDenied', isLocked ? 'Access Denied because object protected by object lock.' : undefined, {
    cause,
  });
}

/** Codes about one bucket: S3 names it. */
const OF_BUCKET =
  /^(InvalidBucketName|NoSuchBucket|BucketNotEmpty|BucketAlready\w+|NoSuch\w+Configuration|NoSuchTagSet|NoSuchBucketPolicy|\w+NotFoundError)$/;

/** Names in the client's own words: the store may know the bucket, key or upload under others. */
function passed(code: S3ErrorCode, answer: BackendErrorDocument, context: FailureContext, cause: Error): S3Error {
  const { bucket, key, versionId, uploadId } = typeof context === 'string' ? {} : context;
  const ofKey = code === 'NoSuchKey' || code === 'NoSuchVersion';
  const details = {
    ...answer.elements,
    ...(bucket !== undefined && OF_BUCKET.test(code) ? { BucketName: bucket } : {}),
    ...(key !== undefined && ofKey ? { Key: key } : {}),
    ...(versionId !== undefined && code === 'NoSuchVersion' ? { VersionId: versionId } : {}),
    ...(uploadId !== undefined && code === 'NoSuchUpload' ? { UploadId: uploadId } : {}),
  };
  const says = EXPLAINED.has(code) && answer.message !== '' && isFitForClients(answer.message);
  return new S3Error(code, says ? answer.message : undefined, { cause, details });
}

/** A code of the 2xx or 4xx family under a 5xx status, or the reverse, is not believed. */
function isPlausible(expected: number, actual: number): boolean {
  return actual < 300 || Math.floor(expected / 100) === Math.floor(actual / 100);
}

function notFound(context: FailureContext): S3ErrorCode {
  if (typeof context === 'string' || context.key !== undefined) return 'NoSuchKey';
  return context.bucket === undefined ? 'NoSuchKey' : 'NoSuchBucket';
}
