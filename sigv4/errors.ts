/**
 * Why a signature was not accepted, in S3's own codes, so that the caller can answer with them as they are.
 *
 * Messages say what was wrong and what to do about it. They never hold a signature, an access key id, a string to sign or
 * a key.
 */
export type SigV4ErrorCode =
  | 'AccessDenied'
  | 'AuthorizationHeaderMalformed'
  | 'AuthorizationQueryParametersError'
  | 'InvalidArgument'
  | 'InvalidRequest'
  | 'InvalidURI'
  | 'MissingSecurityHeader'
  | 'RequestTimeTooSkewed'
  | 'SignatureDoesNotMatch';

/** A request that is not signed, or not correctly. `details` are elements of S3's error document, such as `Region`. */
export class SigV4Error extends Error {
  readonly code: SigV4ErrorCode;
  readonly details?: Record<string, string>;

  constructor(code: SigV4ErrorCode, message: string, details?: Record<string, string>) {
    super(message);
    this.name = 'SigV4Error';
    this.code = code;
    if (details !== undefined) this.details = details;
  }
}

/** The one answer to every signature that is well formed and wrong. */
export function signatureMismatch(): SigV4Error {
  return new SigV4Error(
    'SignatureDoesNotMatch',
    'The request signature we calculated does not match the signature you provided. Check your key and signing method.',
  );
}
