/**
 * An API key sealed under S with the tenant and slot it belongs to: the content of a sealed access key id and of the record
 * behind a registered one (crypto/FORMAT.md, "Keyring and access key ids"). The two differ in key, additional data and the
 * longest secret.
 *
 * Layout: key tag 1 | nonce 12 | AES-256-GCM(tenant 12 | slot 4 | type 1 | secret) | GCM tag 16.
 */
import { createCipheriv, createDecipheriv, type KeyObject, randomBytes } from 'node:crypto';
import { SLOT_BYTES, TENANT_BYTES } from '../ids.ts';
import { type ApiKey, type ApiKeyType, isApiKeyLength } from '../slots/api-key.ts';
import type { SealKey, SealKeys } from './seal-keys.ts';

const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const CLEAR_BYTES = 1 + NONCE_BYTES;
const TYPE_AT = TENANT_BYTES + SLOT_BYTES;
const TYPES: readonly (readonly [code: number, type: ApiKeyType])[] = [
  [1, 'generated'],
  [2, 'raw'],
  [3, 'digest'],
];

/** Bytes around a secret. */
export const SEALED_OVERHEAD_BYTES = CLEAR_BYTES + TYPE_AT + 1 + TAG_BYTES;

export interface SealedContent {
  /** 24 hex digits. */
  readonly tenant: string;
  /** 8 hex digits. */
  readonly slot: string;
  readonly apiKey: ApiKey;
}

/** What one kind of sealed bytes uses. */
export interface SealUse {
  readonly key: (sealKey: SealKey) => KeyObject;
  readonly additionalData: (sealKey: SealKey) => Buffer;
  /** Longest raw secret, bytes. */
  readonly maxRawBytes: number;
}

/** @throws TypeError for a key or ids of a length that cannot be sealed: our own bug */
export function sealApiKey(o: SealedContent & { sealKey: SealKey; use: SealUse }): Buffer {
  const { apiKey, sealKey, use } = o;
  const tenant = Buffer.from(o.tenant, 'hex');
  const slot = Buffer.from(o.slot, 'hex');
  const code = TYPES.find(([, type]) => type === apiKey.type)?.[0];
  if (code === undefined || !isApiKeyLength(apiKey.type, apiKey.bytes.length, use.maxRawBytes)) {
    throw new TypeError('Bad API key');
  }
  if (tenant.length !== TENANT_BYTES || slot.length !== SLOT_BYTES) throw new TypeError('Bad tenant or slot id');
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', use.key(sealKey), nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(use.additionalData(sealKey));
  const content = cipher.update(Buffer.concat([tenant, slot, Buffer.of(code), apiKey.bytes]));
  return Buffer.concat([Buffer.of(sealKey.tag), nonce, content, cipher.final(), cipher.getAuthTag()]);
}

/** Opens a sealed API key. `undefined`: it was sealed under none of the keys, or is not well formed. */
export function openApiKey(bytes: Buffer, sealKeys: SealKeys, use: SealUse): SealedContent | undefined {
  const length = bytes.length - SEALED_OVERHEAD_BYTES;
  if (length < 1) return undefined;
  for (const sealKey of sealKeys.withTag(bytes.readUInt8(0))) {
    const plain = tryOpen(bytes, use.key(sealKey), use.additionalData(sealKey));
    if (plain !== undefined) return parse(plain, use.maxRawBytes);
  }
  return undefined;
}

function tryOpen(bytes: Buffer, key: KeyObject, additionalData: Buffer): Buffer | undefined {
  const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(1, CLEAR_BYTES), { authTagLength: TAG_BYTES });
  decipher.setAAD(additionalData);
  decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
  const plain = decipher.update(bytes.subarray(CLEAR_BYTES, -TAG_BYTES));
  try {
    decipher.final();
  } catch {
    return undefined;
  }
  return plain;
}

function parse(plain: Buffer, maxRawBytes: number): SealedContent | undefined {
  const type = TYPES.find(([code]) => code === plain[TYPE_AT])?.[1];
  const bytes = plain.subarray(TYPE_AT + 1);
  if (type === undefined || !isApiKeyLength(type, bytes.length, maxRawBytes)) return undefined;
  return {
    tenant: plain.toString('hex', 0, TENANT_BYTES),
    slot: plain.toString('hex', TENANT_BYTES, TYPE_AT),
    apiKey: { type, bytes },
  };
}
