/**
 * Step 3 of SigV4: the signing key, and signing and comparing with it.
 *
 * A key serves a day, a region and a service, so it is kept. The cache is keyed by an HMAC of the secret under a key of this
 * process, never by the secret itself. Source: AWS documentation, "Calculate the signature".
 */
import { Buffer } from 'node:buffer';
import { createHmac, createSecretKey, type KeyObject, randomBytes, timingSafeEqual } from 'node:crypto';
import { TERMINATOR } from './constants.ts';
import type { CredentialScope } from './string-to-sign.ts';

/** Signing keys kept per process: a tenant uses one per day and region. */
export const SIGNING_KEY_CACHE_ENTRIES = 4096;

const cacheSecret = createSecretKey(randomBytes(32));
/** In order of last use, oldest first. */
const cache = new Map<string, KeyObject>();

/** A signing secret that is loaded only on demand. The keys derived from it may be cached. */
export interface KnownSecret {
  /** As `secretId` gives it. */
  readonly id: string;
  bytes(): Buffer;
}

/** The HMAC key of the first step: `AWS4` and the secret access key, or its SHA-256 when over 64 bytes. */
export type SigningSecret = Buffer | KnownSecret;

/** The signing key of a scope. */
export function signingKey(o: { signingSecret: SigningSecret; scope: CredentialScope }): KeyObject {
  const { signingSecret, scope } = o;
  const secret = Buffer.isBuffer(signingSecret) ? secretId(signingSecret) : signingSecret.id;
  const id = `${secret}/${scope.date.length}:${scope.date}${scope.region.length}:${scope.region}${scope.service}`;
  const kept = cache.get(id);
  if (kept !== undefined) {
    cache.delete(id);
    cache.set(id, kept);
    return kept;
  }
  const key = deriveSigningKey(Buffer.isBuffer(signingSecret) ? signingSecret : signingSecret.bytes(), scope);
  cache.set(id, key);
  if (cache.size > SIGNING_KEY_CACHE_ENTRIES) {
    for (const oldest of cache.keys()) {
      cache.delete(oldest);
      break;
    }
  }
  return key;
}

/** For tests: how many keys are kept now. */
export function signingKeysKept(): number {
  return cache.size;
}

function deriveSigningKey(signingSecret: Buffer, scope: CredentialScope): KeyObject {
  let key: Buffer = signingSecret;
  for (const step of [scope.date, scope.region, scope.service, TERMINATOR]) {
    const next = createHmac('sha256', key).update(step, 'latin1').digest();
    if (key !== signingSecret) key.fill(0);
    key = next;
  }
  const signing = createSecretKey(key);
  key.fill(0);
  return signing;
}

/** Identifies a secret in the caches of this process, and reveals nothing of it. */
export function secretId(secret: Buffer): string {
  return createHmac('sha256', cacheSecret).update(secret).digest('base64');
}

/** Hex signature of a string to sign. */
export function sign(key: KeyObject, stringToSign: string): string {
  return createHmac('sha256', key).update(stringToSign, 'latin1').digest('hex');
}

/** Whether a claimed signature is the expected one, in constant time. One of another length is simply wrong. */
export function sameSignature(expected: string, claimed: string): boolean {
  const a = Buffer.from(expected, 'latin1');
  const b = Buffer.from(claimed, 'latin1');
  return a.length === b.length && timingSafeEqual(a, b);
}
