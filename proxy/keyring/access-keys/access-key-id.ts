/**
 * The sealed access key id: tenant, slot and API key travel sealed under S inside what SigV4 sends in clear, so that the
 * server verifies a signature without storing a secret (crypto/FORMAT.md, "Keyring and access key ids", sealed access
 * key id).
 */
import { hash } from 'node:crypto';
import { frame } from '../../../crypto/keys.ts';
import { type KnownSecret, secretId } from '../../../sigv4/signing-key.ts';
import { S3Error } from '../../errors.ts';
import { type ApiKey, kdfInput, MAX_RAW_BYTES, signingSecretOf } from '../slots/api-key.ts';
import type { SealKeys } from './seal-keys.ts';
import { openApiKey, SEALED_OVERHEAD_BYTES, type SealedContent, type SealUse, sealApiKey } from './sealed-api-key.ts';

const ACCESS_KEY_ID_PREFIX = 'SG1';
/** base64url without padding of 47..93 bytes. */
const BODY = /^[A-Za-z0-9_-]{63,124}$/;

const USE: SealUse = {
  key: (sealKey) => sealKey.akidKey,
  additionalData: (sealKey) => frame(Buffer.from(ACCESS_KEY_ID_PREFIX), Buffer.from(sealKey.kid)),
  maxRawBytes: MAX_RAW_BYTES,
};

/**
 * What an access key id stands for. It proves only that the seal key once sealed it; the keyring decides whether it is still valid.
 * The API key is not kept. It is unsealed again when it is needed. Requests that use what was derived of it do not need it.
 */
abstract class UnsealedKey {
  /** 24 hex digits. */
  readonly tenant: string;
  /** 8 hex digits. */
  readonly slot: string;
  /** 12 hex digits of SHA-256(access key id), for logs. */
  readonly fingerprint: string;
  /** Stands for the API key in caches. */
  readonly secretId: string;
  readonly #unseal: () => SealedContent | undefined;

  /** @param unseal returns `content`, at each call */
  constructor(accessKeyId: string, content: SealedContent, unseal: () => SealedContent | undefined) {
    this.tenant = content.tenant;
    this.slot = content.slot;
    this.fingerprint = fingerprintOf(accessKeyId);
    this.secretId = `${content.apiKey.type}:${secretId(signingSecretOf(content.apiKey))}`;
    this.#unseal = unseal;
  }

  /** The API key, in the form in which it is sealed. @throws S3Error InvalidAccessKeyId */
  get apiKey(): ApiKey {
    const content = this.#unseal();
    // Its seal key was dropped since.
    if (content === undefined) throw new S3Error('InvalidAccessKeyId');
    return content.apiKey;
  }

  /** What the slot's KDF takes. */
  get secret(): Buffer {
    return kdfInput(this.apiKey);
  }

  /** Key of SigV4's first HMAC: `"AWS4" || secret`, or its SHA-256 when that exceeds 64 bytes. */
  get signingSecret(): KnownSecret {
    return { id: this.secretId, bytes: () => signingSecretOf(this.apiKey) };
  }
}

export class SealedKey extends UnsealedKey {
  readonly kind = 'sealed';
}

export class RegisteredKey extends UnsealedKey {
  readonly kind = 'registered';
  readonly registeredId: string;

  constructor(registeredId: string, content: SealedContent, unseal: () => SealedContent | undefined) {
    super(registeredId, content, unseal);
    this.registeredId = registeredId;
  }
}

export type AccessKey = SealedKey | RegisteredKey;

/** Seals under the active key. `tenant`: 24 hex digits; `slot`: 8. 107 characters for a generated key, at most 127. */
export function sealAccessKeyId(o: { sealKeys: SealKeys; tenant: string; slot: string; apiKey: ApiKey }): string {
  const { tenant, slot, apiKey } = o;
  const sealed = sealApiKey({ tenant, slot, apiKey, sealKey: o.sealKeys.active, use: USE });
  return ACCESS_KEY_ID_PREFIX + sealed.toString('base64url');
}

/**
 * Opens an id from the wire: no backend request, no KDF.
 * @throws S3Error InvalidAccessKeyId, the same for every reason.
 */
export function unsealAccessKeyId(accessKeyId: string, sealKeys: SealKeys): AccessKey {
  const unseal = () => {
    const bytes = decode(accessKeyId);
    return bytes && openApiKey(bytes, sealKeys, USE);
  };
  const content = unseal();
  if (content === undefined) throw new S3Error('InvalidAccessKeyId');
  return new SealedKey(accessKeyId, content, unseal);
}

/** 12 hex digits that tell ids apart in logs without being usable as one. */
export function fingerprintOf(accessKeyId: string): string {
  return hash('sha256', accessKeyId, 'hex').slice(0, 12);
}

/** The bytes of a well-formed id; `undefined` for anything not in its one canonical form. */
function decode(accessKeyId: string): Buffer | undefined {
  const body = accessKeyId.slice(ACCESS_KEY_ID_PREFIX.length);
  if (!accessKeyId.startsWith(ACCESS_KEY_ID_PREFIX) || !BODY.test(body)) return undefined;
  const bytes = Buffer.from(body, 'base64url');
  if (bytes.toString('base64url') !== body) return undefined;
  return bytes.length > SEALED_OVERHEAD_BYTES && bytes.length <= SEALED_OVERHEAD_BYTES + MAX_RAW_BYTES
    ? bytes
    : undefined;
}
