/**
 * Every error of the query API: AWS's code, its HTTP status and a default message, in one table, and how refusals from the
 * rest of the program read there. Source: IAM API reference, "Common error types" and the errors of each action.
 */
import { S3Error } from '../errors.ts';
import { KeyringConflict } from '../keyring/admin/change-keyring.ts';
import { ApprovalNeeded, ApprovalRefused, ApproversTampered } from '../keyring/approvals/approval-errors.ts';
import { KeyringTampered, UnknownTenant } from '../keyring/state/records.ts';

const TABLE = {
  AccessDenied: [403, 'The access key is not allowed to do that.'],
  ConcurrentModification: [409, 'The keys were changed by another request at the same time. Try again.'],
  DeleteConflict: [
    409,
    'This is the last key in use: without it nothing could open the data. Create another key first.',
  ],
  ExpiredTokenException: [400, 'The security token included in the request has expired.'],
  IDPCommunicationError: [400, 'The keys of the issuer cannot be read. Try again later.'],
  IDPRejectedClaim: [403, 'A claim of the token was refused.'],
  IncompleteSignature: [400, 'The request signature does not conform to AWS standards.'],
  InvalidAction: [400, 'The action is not one of this endpoint.'],
  InvalidClientTokenId: [403, 'The access key id included in the request is not valid.'],
  InvalidIdentityToken: [400, 'The token is not valid here.'],
  InvalidParameterCombination: [400, 'Parameters that must not be used together were used together.'],
  InvalidParameterValue: [400, 'A value that is not valid was supplied.'],
  InvalidQueryParameter: [400, 'The query string is not valid.'],
  LimitExceeded: [409, 'There are as many access keys as there may be. Delete one first.'],
  MalformedPolicyDocument: [400, 'The policy is not well-formed.'],
  MissingParameter: [400, 'A required parameter is missing.'],
  NoSuchEntity: [404, 'There is no such access key or user.'],
  PackedPolicyTooLarge: [400, 'Policy, tags and names together are too large for a session token.'],
  RequestExpired: [400, "The request's time is too far from the server's. Check your computer's clock."],
  ServiceFailure: [500, 'An internal error occurred. Try again.'],
  ServiceUnavailable: [503, 'The storage behind this endpoint cannot be reached. Try again.'],
  SignatureDoesNotMatch: [403, 'The request signature that we calculated does not match the one that you provided.'],
  Throttling: [400, 'Rate exceeded: try again in a second.'],
  ValidationError: [400, 'A parameter does not have the form that it must have.'],
} as const satisfies Record<string, readonly [status: number, message: string]>;

export type QueryErrorCode = keyof typeof TABLE;

export class QueryError extends Error {
  readonly code: QueryErrorCode;
  readonly status: number;
  /** Of the error reply: when to come again. */
  readonly headers: Readonly<Record<string, string>>;

  constructor(code: QueryErrorCode, message: string = TABLE[code][1], options?: ErrorOptions) {
    super(message, options);
    this.name = 'QueryError';
    this.code = code;
    this.status = TABLE[code][0];
    const { cause } = this;
    this.headers = cause instanceof S3Error && cause.code === 'SlowDown' ? cause.headers : {};
  }
}

/** `[code, HTTP status, default message]` of every error, for the documentation and its test. */
export function queryErrorTable(): readonly (readonly [code: string, status: number, message: string])[] {
  return Object.entries(TABLE).map(([code, [status, message]]) => [code, status, message]);
}

/** Maps the codes of S3 to those of this API. Messages that say what to change are kept. */
const OF_S3: Readonly<Record<string, readonly [code: QueryErrorCode, keepsText: boolean]>> = {
  AccessDenied: ['AccessDenied', false],
  AuthorizationHeaderMalformed: ['IncompleteSignature', true],
  ExpiredToken: ['ExpiredTokenException', false],
  InvalidAccessKeyId: ['InvalidClientTokenId', false],
  InvalidToken: ['InvalidClientTokenId', false],
  MissingSecurityHeader: ['IncompleteSignature', true],
  RequestTimeTooSkewed: ['RequestExpired', false],
  ServiceUnavailable: ['ServiceUnavailable', false],
  SignatureDoesNotMatch: ['SignatureDoesNotMatch', false],
  SlowDown: ['Throttling', false],
};

/** Translates any failure into an error of this API. A failure that no input caused is a ServiceFailure. */
export function asQueryError(error: unknown): QueryError {
  if (error instanceof QueryError) return error;
  if (error instanceof KeyringConflict) return new QueryError('ConcurrentModification', undefined, { cause: error });
  if (error instanceof ApprovalNeeded || error instanceof ApprovalRefused) {
    return new QueryError('AccessDenied', error.message, { cause: error });
  }
  if (error instanceof KeyringTampered || error instanceof ApproversTampered)
    return new QueryError('AccessDenied', undefined, { cause: error });
  if (error instanceof UnknownTenant) return new QueryError('InvalidClientTokenId', undefined, { cause: error });
  if (!(error instanceof S3Error)) return new QueryError('ServiceFailure', undefined, { cause: error });
  const [code, keepsText] = OF_S3[error.code] ?? [
    error.status < 500 ? 'InvalidParameterValue' : 'ServiceFailure',
    true,
  ];
  return new QueryError(code, keepsText && error.status < 500 ? error.message : undefined, { cause: error });
}
