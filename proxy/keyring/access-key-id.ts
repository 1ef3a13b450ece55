/**
 * The sealed access key id: tenant, slot and API key travel sealed under S inside what SigV4 sends in clear, so that the
 * server verifies a signature without storing a secret (crypto/FORMAT.md, "Keyring and access key ids", sealed access
 * key id).
 */
import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import { frame } from '../../crypto/keys.ts';
import { S3Error } from '../errors.ts';
import { type ApiKey, type ApiKeyType, isApiKeyLength, kdfInput, MAX_RAW_BYTES, signingSecretOf } from './api-key.ts';
import { SLOT_BYTES, TENANT_BYTES } from './ids.ts';
import type { SealKey, SealKeys } from './seal-keys.ts';

const ACCESS_KEY_ID_PREFIX = 'SG1';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const CLEAR_BYTES = 1 + NONCE_BYTES;
const FIXED_BYTES = CLEAR_BYTES + TENANT_BYTES + SLOT_BYTES + 1 + TAG_BYTES;
const TYPE_AT = TENANT_BYTES + SLOT_BYTES;
/** base64url without padding of 47..93 bytes. */
const BODY = /^[A-Za-z0-9_-]{63,124}$/;
const TYPES: readonly (readonly [code: number, type: ApiKeyType])[] = [
  [1, 'generated'],
  [2, 'raw'],
  [3, 'digest'],
];

interface UnsealedKey {
  /** 24 hex digits. */
  readonly tenant: string;
  /** 8 hex digits. */
  readonly slot: string;
  /** Key of SigV4's first HMAC: `"AWS4" || secret`, or its SHA-256 when that exceeds 64 bytes. */
  readonly signingSecret: Buffer;
  /** What the slot's KDF takes. */
  readonly secret: Buffer;
  /** 12 hex digits of SHA-256(access key id), for logs. */
  readonly fingerprint: string;
}

/** An unsealed access key id. It proves only that S once sealed this: the keyring decides whether it still counts. */
export type AccessKey = UnsealedKey &
  ({ readonly kind: 'sealed' } | { readonly kind: 'registered'; readonly registeredId: string });

/** Seals under the active key. `tenant`: 24 hex digits; `slot`: 8. 107 characters for a generated key, at most 127. */
export function sealAccessKeyId(o: { sealKeys: SealKeys; tenant: string; slot: string; apiKey: ApiKey }): string {
  const tenant = Buffer.from(o.tenant, 'hex');
  const slot = Buffer.from(o.slot, 'hex');
  const code = TYPES.find(([, type]) => type === o.apiKey.type)?.[0];
  if (code === undefined || !isApiKeyLength(o.apiKey.type, o.apiKey.bytes.length)) throw new TypeError('Bad API key');
  if (tenant.length !== TENANT_BYTES || slot.length !== SLOT_BYTES) throw new TypeError('Bad tenant or slot id');
  const key = o.sealKeys.active;
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key.akidKey, nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(additionalData(key));
  const sealed = Buffer.concat([
    cipher.update(Buffer.concat([tenant, slot, Buffer.of(code), o.apiKey.bytes])),
    cipher.final(),
    cipher.getAuthTag(),
  ]);
  return ACCESS_KEY_ID_PREFIX + Buffer.concat([Buffer.of(key.tag), nonce, sealed]).toString('base64url');
}

/**
 * Opens an id from the wire: no backend request, no KDF.
 * @throws S3Error InvalidAccessKeyId, the same for every reason.
 */
export function unsealAccessKeyId(accessKeyId: string, sealKeys: SealKeys): AccessKey {
  const bytes = decode(accessKeyId);
  const opened = bytes && open(bytes, sealKeys);
  const apiKey = opened && parseApiKey(opened);
  if (opened === undefined || apiKey === undefined) throw new S3Error('InvalidAccessKeyId');
  return {
    tenant: opened.toString('hex', 0, TENANT_BYTES),
    slot: opened.toString('hex', TENANT_BYTES, TYPE_AT),
    signingSecret: signingSecretOf(apiKey),
    secret: kdfInput(apiKey),
    fingerprint: fingerprintOf(accessKeyId),
    kind: 'sealed',
  };
}

/** 12 hex digits that tell ids apart in logs without being usable as one. */
function fingerprintOf(accessKeyId: string): string {
  return createHash('sha256').update(accessKeyId).digest('hex').slice(0, 12);
}

/** The bytes of a well-formed id; `undefined` for anything not in its one canonical form. */
function decode(accessKeyId: string): Buffer | undefined {
  const body = accessKeyId.slice(ACCESS_KEY_ID_PREFIX.length);
  if (!accessKeyId.startsWith(ACCESS_KEY_ID_PREFIX) || !BODY.test(body)) return undefined;
  const bytes = Buffer.from(body, 'base64url');
  if (bytes.toString('base64url') !== body) return undefined;
  return bytes.length > FIXED_BYTES && bytes.length <= FIXED_BYTES + MAX_RAW_BYTES ? bytes : undefined;
}

function open(bytes: Buffer, sealKeys: SealKeys): Buffer | undefined {
  for (const key of sealKeys.withTag(bytes.readUInt8(0))) {
    const plain = tryOpen(key, bytes);
    if (plain !== undefined) return plain;
  }
  return undefined;
}

function tryOpen(key: SealKey, bytes: Buffer): Buffer | undefined {
  const decipher = createDecipheriv('aes-256-gcm', key.akidKey, bytes.subarray(1, CLEAR_BYTES), {
    authTagLength: TAG_BYTES,
  });
  decipher.setAAD(additionalData(key));
  decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
  const plain = decipher.update(bytes.subarray(CLEAR_BYTES, -TAG_BYTES));
  try {
    decipher.final();
  } catch {
    return undefined;
  }
  return plain;
}

function parseApiKey(plain: Buffer): ApiKey | undefined {
  const type = TYPES.find(([code]) => code === plain[TYPE_AT])?.[1];
  const bytes = plain.subarray(TYPE_AT + 1);
  return type !== undefined && isApiKeyLength(type, bytes.length) ? { type, bytes } : undefined;
}

function additionalData(key: SealKey): Buffer {
  return frame(Buffer.from(ACCESS_KEY_ID_PREFIX), Buffer.from(key.kid));
}
