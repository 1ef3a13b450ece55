/**
 * What a case of a refused signature is, and how it is looked at: each starts from a request that verifies and breaks one
 * thing, and no refusal may quote a signature or an access key id.
 */
import { expect } from 'vitest';
import { SigV4Error, type SigV4ErrorCode } from '../../sigv4/errors.ts';
import { parseClaim, type SignedRequest } from '../../sigv4/parse.ts';
import { type VerifyOptions, verifyRequest } from '../../sigv4/verify.ts';
import { ACCESS_KEY_ID, headerOf, NOW, presign, signByHeader, signingSecret } from './sign-request.ts';

export function verify(request: SignedRequest, o: Partial<VerifyOptions> = {}) {
  return verifyRequest(request, parseClaim(request), { signingSecret: signingSecret(), now: NOW, ...o });
}

export interface Refusal {
  readonly request: SignedRequest;
  readonly code: SigV4ErrorCode;
  readonly message?: string | RegExp;
  readonly details?: Record<string, string>;
  readonly options?: Partial<VerifyOptions>;
}

function refusalOf({ request, options }: Refusal): SigV4Error {
  try {
    verify(request, options);
  } catch (error) {
    if (error instanceof SigV4Error) return error;
    throw error;
  }
  throw new Error('the request was accepted');
}

export const byHeader = signByHeader();
export const byUrl = presign();
export const authorization = headerOf(byHeader, 'authorization');
export const signature = /Signature=([0-9a-f]{64})/.exec(authorization)?.[1] ?? '';
export const urlSignature = /X-Amz-Signature=([0-9a-f]{64})/.exec(byUrl.query)?.[1] ?? '';
const SECRETS = [signature, urlSignature, ACCESS_KEY_ID, 'AKIDEXAMPLE'];
if (SECRETS.includes('')) throw new Error('nothing to look for');

/** The request verified so many seconds after it was signed. */
export function at(seconds: number): Partial<VerifyOptions> {
  return { now: new Date(NOW.getTime() + seconds * 1000) };
}

export function expectRefusal(refusal: Refusal): void {
  const error = refusalOf(refusal);
  expect(error.code).toBe(refusal.code);
  if (refusal.message !== undefined) expect(error.message).toMatch(refusal.message);
  if (refusal.details !== undefined) expect(error.details).toEqual(refusal.details);
  const said = `${error.message} ${JSON.stringify(error.details)}`;
  for (const secret of SECRETS) expect(said).not.toContain(secret);
}
