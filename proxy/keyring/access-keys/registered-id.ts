/**
 * The registered access key id, for clients that take no long ones: 20 characters, and behind it a record in the state that
 * holds the API key sealed under S (crypto/FORMAT.md, "Keyring and access key ids", registered access key id). State and S
 * together open such a key, so its tenant is called server-managed wherever it is shown.
 *
 * The id carries a check under S: an id that was made up costs no backend request.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { frame } from '../../../crypto/keys.ts';
import type { ApiKey } from '../slots/api-key.ts';
import { MAX_REGISTERED_RAW_BYTES } from '../slots/api-key.ts';
import { type AccessKey, RegisteredKey } from './access-key-id.ts';
import type { SealKey, SealKeys } from './seal-keys.ts';
import { openApiKey, type SealUse, sealApiKey } from './sealed-api-key.ts';

export const REGISTERED_PREFIX = 'SGRK';
export const REGISTERED_NAMES = 'ids/';
const FORM = /^SGRK[A-Z2-7]{16}$/;
const RECORD_LABEL = 'sealgate-registered/1';
const RANDOM_BYTES = 6;
const CHECK_BYTES = 4;
/** RFC 4648, section 6; 10 bytes fill 16 characters, so there is no padding and no unused bit. */
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

/** Makes an id: 6 random bytes, and the first 4 bytes of their HMAC under the check key of the seal key. */
export function newRegisteredId(sealKey: SealKey): string {
  const random = randomBytes(RANDOM_BYTES);
  return REGISTERED_PREFIX + toBase32(Buffer.concat([random, checkOf(random, sealKey)]));
}

/** Whether a text has the form of such an id. */
export function isRegisteredId(text: string): boolean {
  return FORM.test(text);
}

/** The seal key whose check the id carries; `undefined` for an id that was made up, or made under a key since dropped. */
export function sealKeyOfId(id: string, sealKeys: SealKeys): SealKey | undefined {
  if (!isRegisteredId(id)) return undefined;
  const bytes = fromBase32(id.slice(REGISTERED_PREFIX.length));
  const [random, check] = [bytes.subarray(0, RANDOM_BYTES), bytes.subarray(RANDOM_BYTES)];
  return sealKeys.all.find((sealKey) => timingSafeEqual(checkOf(random, sealKey), check));
}

/** Name of the record in the state. */
export function registeredName(id: string): string {
  return `${REGISTERED_NAMES}${id}`;
}

/** The record's bytes. */
export function sealRegistered(o: {
  id: string;
  sealKey: SealKey;
  tenant: string;
  slot: string;
  apiKey: ApiKey;
}): Buffer {
  const { tenant, slot, apiKey, sealKey } = o;
  return sealApiKey({ tenant, slot, apiKey, sealKey, use: useFor(o.id) });
}

/** `undefined`: the record is not one of this id, under none of the seal keys. */
export function openRegistered(body: Buffer, id: string, sealKeys: SealKeys): AccessKey | undefined {
  // The copy lives as long as the key. It must not hold on to the memory of the record.
  const record = Buffer.allocUnsafeSlow(body.length);
  body.copy(record);
  const unseal = () => openApiKey(record, sealKeys, useFor(id));
  const content = unseal();
  return content && new RegisteredKey(id, content, unseal);
}

function useFor(id: string): SealUse {
  return {
    key: (sealKey) => sealKey.registeredKey,
    additionalData: (sealKey) => frame(Buffer.from(RECORD_LABEL), Buffer.from(sealKey.kid), Buffer.from(id)),
    maxRawBytes: MAX_REGISTERED_RAW_BYTES,
  };
}

function checkOf(random: Buffer, sealKey: SealKey): Buffer {
  return createHmac('sha256', sealKey.registeredCheckKey).update(random).digest().subarray(0, CHECK_BYTES);
}

function toBase32(bytes: Buffer): string {
  const bits = [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('');
  return (bits.match(/.{5}/g) ?? []).map((five) => ALPHABET.charAt(Number.parseInt(five, 2))).join('');
}

function fromBase32(text: string): Buffer {
  const bits = [...text].map((character) => ALPHABET.indexOf(character).toString(2).padStart(5, '0')).join('');
  return Buffer.from((bits.match(/.{8}/g) ?? []).map((eight) => Number.parseInt(eight, 2)));
}
