/**
 * From an `UnverifiedClaim` to `Verified`: the time, the region, what the signature covers, and the signature itself.
 *
 * Source: AWS documentation, "Authenticating Requests (AWS Signature Version 4)". A valid signature says who signed; what
 * they may do, and whether their key still stands, is decided elsewhere.
 */
import { canonicalRequest } from './canonical-request.ts';
import { ChunkChain } from './chunk.ts';
import { MAX_SKEW_MS } from './constants.ts';
import { malformed } from './credential.ts';
import { SigV4Error, signatureMismatch } from './errors.ts';
import { canonicalHeaderValue, canonicalHeaderValues } from './headers.ts';
import type { SignedRequest, UnverifiedClaim } from './parse.ts';
import { type PayloadMode, parsePayloadMode, payloadLine } from './payload.ts';
import { parseQuery, type QueryPair } from './query.ts';
import { withQueryHeaders } from './query-headers.ts';
import { type SigningSecret, sameSignature, sign, signingKey } from './signing-key.ts';
import { requestStringToSign } from './string-to-sign.ts';

export interface Verified {
  readonly claim: UnverifiedClaim;
  /** How the body is framed and what it must hash to. */
  readonly payload: PayloadMode;
  /** The chain of chunk signatures; present exactly for `signed-chunks`. */
  readonly chunks?: ChunkChain;
}

export interface VerifyOptions {
  readonly signingSecret: SigningSecret;
  readonly now: Date;
  /** The region the scope must name; any when left out. */
  readonly region?: string;
  /** Other values of Host to try, for a proxy behind a balancer that rewrites it. The caller vouches for them. */
  readonly host?: readonly string[];
}

/**
 * Verifies the claim of a request.
 * @throws SigV4Error RequestTimeTooSkewed; AccessDenied for an expired URL or unsigned headers; AuthorizationHeaderMalformed
 *   or AuthorizationQueryParametersError with `Region`; SignatureDoesNotMatch.
 */
export function verifyRequest(request: SignedRequest, claim: UnverifiedClaim, o: VerifyOptions): Verified {
  checkTime(claim, o.now);
  checkRegion(claim, o.region);
  const query = parseQuery(request.query);
  const headers = headersOf(claim, request, query);
  checkCoverage(claim, headers);

  const key = signingKey({ signingSecret: o.signingSecret, scope: claim.scope });
  const signatureFor = (values: ReadonlyMap<string, string>): string => {
    const canonical = canonicalRequest({
      method: request.method,
      path: request.path,
      query,
      headers: values,
      signedHeaders: claim.signedHeaders,
      payloadHash: payloadLine(claim.payload),
    });
    return sign(key, requestStringToSign({ date: claim.date, scope: claim.scope, canonical }));
  };
  const candidates = [headers, ...(o.host ?? []).map((host) => new Map(headers).set('host', host))];
  if (!candidates.some((values) => sameSignature(signatureFor(values), claim.signature))) throw signatureMismatch();

  const payload = declaredPayload(claim, headers);
  if (payload.kind !== 'signed-chunks') return { claim, payload };
  const chunks = new ChunkChain({ key, date: claim.date, scope: claim.scope, seed: claim.signature });
  return { claim, payload, chunks };
}

function headersOf(
  claim: UnverifiedClaim,
  request: SignedRequest,
  query: readonly QueryPair[],
): ReadonlyMap<string, string> {
  const headers = canonicalHeaderValues(request.headers);
  if (claim.kind === 'header') return headers;
  const canonical = query.map(([name, value]): QueryPair => [name, canonicalHeaderValue(value)]);
  return withQueryHeaders(headers, canonical, claim.signedHeaders);
}

function checkTime(claim: UnverifiedClaim, now: Date): void {
  const ahead = claim.timestamp.getTime() - now.getTime();
  if (claim.kind === 'header') {
    if (Math.abs(ahead) <= MAX_SKEW_MS) return;
    throw new SigV4Error(
      'RequestTimeTooSkewed',
      "The difference between the request time and the current time is too large. Check your computer's clock.",
      {
        RequestTime: claim.date,
        ServerTime: wholeSeconds(now),
        MaxAllowedSkewMilliseconds: String(MAX_SKEW_MS),
      },
    );
  }
  if (ahead > MAX_SKEW_MS) throw new SigV4Error('AccessDenied', 'Request is not yet valid');
  const seconds = claim.expires ?? 0;
  const expiry = new Date(claim.timestamp.getTime() + seconds * 1000);
  if (now.getTime() > expiry.getTime()) {
    throw new SigV4Error('AccessDenied', 'Request has expired', {
      'X-Amz-Expires': String(seconds),
      Expires: wholeSeconds(expiry),
      ServerTime: wholeSeconds(now),
    });
  }
}

function wholeSeconds(date: Date): string {
  return date.toISOString().replace(/\.\d{3}/, '');
}

function checkRegion(claim: UnverifiedClaim, expected: string | undefined): void {
  if (expected === undefined || claim.scope.region === expected) return;
  throw malformed(claim.kind, `the region '${claim.scope.region}' is wrong; expecting '${expected}'`, {
    Region: expected,
  });
}

/** Host and every x-amz-* header that arrived must be signed; x-amz-content-sha256 is, as the canonical request's last line. */
function checkCoverage(claim: UnverifiedClaim, headers: ReadonlyMap<string, string>): void {
  const signed = new Set(claim.signedHeaders);
  const missing = [...headers.keys()].filter((name) => mustBeSigned(name) && !signed.has(name));
  if (!headers.has('host') && !signed.has('host')) missing.push('host');
  if (missing.length === 0) return;
  throw new SigV4Error('AccessDenied', 'There were headers present in the request which were not signed', {
    HeadersNotSigned: missing.sort().join(', '),
  });
}

function mustBeSigned(name: string): boolean {
  return name === 'host' || (name.startsWith('x-amz-') && name !== 'x-amz-content-sha256');
}

/**
 * What the body must satisfy. A presigned URL leaves the body open; an x-amz-content-sha256 header sent along, though not
 * signed, is still a promise to keep. (Chunked framing beside a presigned URL was refused when the claim was read.)
 */
function declaredPayload(claim: UnverifiedClaim, headers: ReadonlyMap<string, string>): PayloadMode {
  const header = headers.get('x-amz-content-sha256');
  if (claim.payload.kind !== 'unsigned' || header === undefined) return claim.payload;
  return parsePayloadMode(header);
}
