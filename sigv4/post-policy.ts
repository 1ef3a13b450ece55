/**
 * Signatures of browser form uploads: the string to sign is the base64 policy as it stands in the form (S3 API reference,
 * "Authenticating requests: browser-based uploads using POST").
 */
import { ALGORITHM, SERVICE } from './constants.ts';
import { malformed, parseCredential } from './credential.ts';
import { parseBasicDate } from './date.ts';
import { SigV4Error, signatureMismatch } from './errors.ts';
import { type SigningSecret, sameSignature, sign, signingKey } from './signing-key.ts';
import type { CredentialScope } from './string-to-sign.ts';

/** What a form claims about its signer. None of it is verified. */
export interface PolicyClaim {
  readonly accessKeyId: string;
  readonly scope: CredentialScope;
  readonly policy: string;
  readonly signature: string;
  /** To be named by the policy like every field. */
  readonly sessionToken?: string;
}

/** @param field looks up a form field by lower-case name. @throws SigV4Error */
export function parsePolicyClaim(field: (name: string) => string | undefined): PolicyClaim {
  const policy = field('policy');
  if (policy === undefined)
    throw new SigV4Error('AccessDenied', 'The form has no policy: anonymous uploads are not allowed.');
  if (field('signature') !== undefined || field('awsaccesskeyid') !== undefined) {
    throw new SigV4Error('InvalidRequest', 'The form is signed with Signature Version 2. Please use AWS4-HMAC-SHA256.');
  }
  const algorithm = required(field, 'x-amz-algorithm');
  if (algorithm !== ALGORITHM) throw new SigV4Error('InvalidArgument', `x-amz-algorithm must be ${ALGORITHM}.`);
  const { accessKeyId, scope } = parseCredential(required(field, 'x-amz-credential'), 'presigned');
  const date = required(field, 'x-amz-date');
  if (parseBasicDate(date) === undefined || !date.startsWith(scope.date)) {
    throw malformed('presigned', 'x-amz-date must be a basic ISO 8601 time on the day of the credential scope.');
  }
  const token = field('x-amz-security-token');
  const signature = required(field, 'x-amz-signature');
  return { accessKeyId, scope, policy, signature, ...(token === undefined ? {} : { sessionToken: token }) };
}

function required(field: (name: string) => string | undefined, name: string): string {
  const value = field(name);
  if (value !== undefined && value !== '') return value;
  throw new SigV4Error('InvalidArgument', `Bucket POST must contain a field named '${name}'.`);
}

/** @throws SigV4Error SignatureDoesNotMatch, AuthorizationQueryParametersError */
export function verifyPolicy(
  claim: PolicyClaim,
  o: { signingSecret: SigningSecret; region?: string | undefined },
): void {
  const { scope } = claim;
  if (scope.service !== SERVICE) throw malformed('presigned', 'The service of the credential scope must be s3.');
  if (o.region !== undefined && scope.region !== o.region) {
    throw malformed('presigned', `The region of the credential scope must be ${o.region}.`, { Region: o.region });
  }
  const key = signingKey({ signingSecret: o.signingSecret, scope });
  if (!sameSignature(sign(key, claim.policy), claim.signature)) throw signatureMismatch();
}
