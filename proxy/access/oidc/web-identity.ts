/**
 * From a token of an issuer (a JWT, RFC 7519) to who it speaks of. The issuer must be one of the settings', the signature by one
 * of that issuer's keys with an algorithm that was agreed on, the audience the deployment's own, and the times must hold. What
 * a header of the token itself offers (`jwk`, `jku`, `x5u`) is never looked at.
 */
import { decodeJwt, decodeProtectedHeader, errors, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from 'jose';
import { JWT_CLOCK_TOLERANCE_SECONDS, MAX_WEB_IDENTITY_TOKEN_CHARACTERS } from '../../session-limits.ts';
import { DocumentUnavailable } from './fetch-document.ts';
import type { Issuer } from './issuers.ts';
import type { KeySet } from './key-set.ts';

/** STS's codes (API reference, AssumeRoleWithWebIdentity, "Errors"). */
export type WebIdentityCode =
  | 'InvalidIdentityToken'
  | 'ExpiredTokenException'
  | 'IDPRejectedClaim'
  | 'IDPCommunicationError';

/** The message says what was wrong with the token, and holds nothing of it. */
export class WebIdentityError extends Error {
  readonly code: WebIdentityCode;
  constructor(code: WebIdentityCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'WebIdentityError';
    this.code = code;
  }
}

export interface WebIdentity {
  readonly issuer: string;
  readonly subject: string;
  /** The one of the token's audiences that the issuer's setting names. */
  readonly audience: string;
  /** Seconds since 1970. */
  readonly issuedAt: number;
  readonly expiresAt: number;
  /** Undefined where the issuer gives none. */
  readonly tokenId: string | undefined;
  readonly claims: JWTPayload;
}

export interface TrustedIssuer extends Issuer {
  readonly keySet: KeySet;
}

/** Keys without an id that are tried for one token. */
const MOST_KEYS_TRIED = 8;

/** @throws WebIdentityError */
export async function verifyWebIdentity(
  token: string,
  issuers: readonly TrustedIssuer[],
  now: Date,
): Promise<WebIdentity> {
  if (token.length > MAX_WEB_IDENTITY_TOKEN_CHARACTERS) throw invalid('The token is too long.');
  const { issuer, kid } = read(token, issuers);
  const keys = await keysOf(issuer, kid);
  const claims = await verify(token, issuer, keys, now);
  const { sub, iat, exp, jti } = claims;
  const audience = [claims.aud ?? []].flat().find((one) => issuer.audiences.includes(one));
  if (typeof sub !== 'string' || sub === '' || iat === undefined || exp === undefined || audience === undefined) {
    throw invalid('The token lacks a claim: iss, sub, aud, exp and iat are needed.');
  }
  if (iat > now.getTime() / 1000 + JWT_CLOCK_TOLERANCE_SECONDS)
    throw invalid('The token says that it was issued in the future.');
  const tokenId = typeof jti === 'string' && jti !== '' ? jti : undefined;
  return { issuer: issuer.issuer, subject: sub, audience, issuedAt: iat, expiresAt: exp, tokenId, claims };
}

/** Whose token it says it is, which the signature then proves. */
function read(token: string, issuers: readonly TrustedIssuer[]): { issuer: TrustedIssuer; kid: string | undefined } {
  try {
    const { kid } = decodeProtectedHeader(token);
    const { iss } = decodeJwt(token);
    const issuer = issuers.find((one) => one.issuer === iss);
    if (issuer === undefined) throw invalid('The issuer of the token is none that this endpoint trusts.');
    return { issuer, kid: typeof kid === 'string' ? kid : undefined };
  } catch (error) {
    if (error instanceof WebIdentityError) throw error;
    throw invalid('The token is no JWT.', error);
  }
}

async function keysOf(issuer: TrustedIssuer, kid: string | undefined): Promise<JWTVerifyGetKey> {
  try {
    return await issuer.keySet.keysFor(kid);
  } catch (error) {
    if (!(error instanceof DocumentUnavailable)) throw error;
    throw new WebIdentityError('IDPCommunicationError', "The issuer's keys cannot be read. Try again later.", {
      cause: error,
    });
  }
}

async function verify(token: string, issuer: TrustedIssuer, keys: JWTVerifyGetKey, now: Date): Promise<JWTPayload> {
  const options = {
    issuer: issuer.issuer,
    audience: [...issuer.audiences],
    algorithms: [...issuer.algorithms],
    requiredClaims: ['iss', 'sub', 'aud', 'exp', 'iat'],
    clockTolerance: JWT_CLOCK_TOLERANCE_SECONDS,
    currentDate: now,
  };
  try {
    return (await jwtVerify(token, keys, options)).payload;
  } catch (error) {
    if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw refusal(error);
    return verifyByAny(token, error, options);
  }
}

/** Several keys fit a token that names none: one of them must have signed it. */
async function verifyByAny(
  token: string,
  candidates: errors.JWKSMultipleMatchingKeys,
  options: NonNullable<Parameters<typeof jwtVerify>[2]>,
): Promise<JWTPayload> {
  let tried = 0;
  for await (const key of candidates) {
    if (tried++ === MOST_KEYS_TRIED) break;
    try {
      return (await jwtVerify(token, key, options)).payload;
    } catch (error) {
      if (!(error instanceof errors.JWSSignatureVerificationFailed)) throw refusal(error);
    }
  }
  throw invalid('The signature of the token is by none of the keys of its issuer.');
}

function refusal(error: unknown): WebIdentityError {
  if (error instanceof errors.JWTExpired)
    return new WebIdentityError('ExpiredTokenException', 'The token has expired.', { cause: error });
  if (error instanceof errors.JWTClaimValidationFailed) return refusedClaim(error);
  if (error instanceof errors.JWSSignatureVerificationFailed)
    return invalid('The signature of the token is wrong.', error);
  if (error instanceof errors.JWKSNoMatchingKey) return invalid('The issuer has no key that fits the token.', error);
  if (error instanceof errors.JOSEAlgNotAllowed)
    return invalid('The token is signed with an algorithm that is not allowed for its issuer.', error);
  return invalid('The token cannot be verified.', error);
}

function refusedClaim(error: errors.JWTClaimValidationFailed): WebIdentityError {
  if (error.claim === 'aud' && error.reason !== 'missing')
    return new WebIdentityError('IDPRejectedClaim', 'The token is for another audience.', { cause: error });
  return invalid(`The claim ${error.claim} of the token is missing or does not hold.`, error);
}

function invalid(message: string, cause?: unknown): WebIdentityError {
  return new WebIdentityError('InvalidIdentityToken', message, { cause });
}
