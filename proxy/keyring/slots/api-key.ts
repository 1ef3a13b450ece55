/**
 * The tenant's secret, in the three forms that fit an access key id (crypto/FORMAT.md, "Keyring and access key ids",
 * API keys). SigV4 keys its first HMAC with `"AWS4" || secret`; HMAC-SHA256 replaces keys over its block of 64 bytes by
 * their digest (RFC 2104, section 2), so for secrets over 60 bytes the digest alone verifies the same signatures.
 */
import { createHash, randomBytes } from 'node:crypto';

const GENERATED_BYTES = 32;
/** Longest secret that travels as it is, bytes: the access key id then has 127 of its 128 characters. */
export const MAX_RAW_BYTES = 47;
/** The same for a registered id, whose record has no such bound. */
export const MAX_REGISTERED_RAW_BYTES = 60;
const DIGEST_BYTES = 32;
/** From here on `"AWS4" || secret` exceeds HMAC's block. */
const MIN_DIGESTED_BYTES = 61;

export type ApiKeyType = 'generated' | 'raw' | 'digest';

/**
 * `generated`: 32 random bytes, whose base64url text is the secret access key. `raw`: the secret's 1..47 bytes of UTF-8, 60 when registered.
 * `digest`: SHA-256("AWS4" || secret) of a secret over 60 bytes.
 */
export interface ApiKey {
  readonly type: ApiKeyType;
  readonly bytes: Buffer;
}

export function generateApiKey(): ApiKey {
  return { type: 'generated', bytes: randomBytes(GENERATED_BYTES) };
}

/**
 * A secret that somebody brings along. `maxRawBytes`: MAX_RAW_BYTES for a sealed access key id, MAX_REGISTERED_RAW_BYTES
 * for a registered one.
 * @throws RangeError when it is empty, or over `maxRawBytes` and yet under 61 bytes: too short for its digest to stand in.
 */
export function apiKeyFromText(secretAccessKey: string, o: { maxRawBytes?: number } = {}): ApiKey {
  const bytes = Buffer.from(secretAccessKey, 'utf8');
  if (bytes.length === 0) throw new RangeError('An API key cannot be empty.');
  if (bytes.length <= (o.maxRawBytes ?? MAX_RAW_BYTES)) return { type: 'raw', bytes };
  if (bytes.length < MIN_DIGESTED_BYTES) {
    throw new RangeError('An API key of 48 to 60 bytes does not fit a sealed access key id.');
  }
  return { type: 'digest', bytes: createHash('sha256').update('AWS4').update(bytes).digest() };
}

/** The secret access key of a generated API key: 43 characters. */
export function secretAccessKeyOf(key: ApiKey): string {
  if (key.type !== 'generated') throw new TypeError('Only a generated API key has a text of its own.');
  return key.bytes.toString('base64url');
}

/** What the KDF takes: the secret's text as bytes, or the digest in its place. */
export function kdfInput(key: ApiKey): Buffer {
  return key.type === 'generated' ? Buffer.from(key.bytes.toString('base64url'), 'ascii') : Buffer.from(key.bytes);
}

/** The key of SigV4's first HMAC: `"AWS4" || secret`, or the digest of that when it exceeds 64 bytes. */
export function signingSecretOf(key: ApiKey): Buffer {
  return key.type === 'digest' ? Buffer.from(key.bytes) : Buffer.concat([Buffer.from('AWS4'), kdfInput(key)]);
}

/** Whether a type can have that many bytes. */
export function isApiKeyLength(type: ApiKeyType, length: number, maxRawBytes: number): boolean {
  if (type === 'raw') return length >= 1 && length <= maxRawBytes;
  return length === (type === 'generated' ? GENERATED_BYTES : DIGEST_BYTES);
}
