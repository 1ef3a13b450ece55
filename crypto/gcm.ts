/**
 * AES-256-GCM for one whole message, with the tag's length always said: Node otherwise accepts tags of 4 bytes
 * (FORMAT.md section 3, rule 0: such a key seals one message, so the nonce is zero). Keys go in as `KeyObject`s: with a
 * `Buffer`, Node 24 takes four times as long to set a cipher up.
 */
import { Buffer } from 'node:buffer';
import { createCipheriv, createDecipheriv, createSecretKey } from 'node:crypto';
import { TAG_BYTES } from './layout.ts';

const ZERO_NONCE = Buffer.alloc(12);
const OPTIONS = { authTagLength: TAG_BYTES };

/** Seals the one message of a key: ciphertext || tag. The caller derived `key` from a fresh salt. */
export function sealOnce(key: Buffer, plaintext: Buffer, aad: Buffer): Buffer {
  const cipher = createCipheriv('aes-256-gcm', createSecretKey(key), ZERO_NONCE, OPTIONS).setAAD(aad);
  return Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
}

/** Opens ciphertext || tag; `undefined` when it is not authentic. */
export function openOnce(key: Buffer, sealed: Buffer, aad: Buffer): Buffer | undefined {
  if (sealed.length < TAG_BYTES) return undefined;
  const end = sealed.length - TAG_BYTES;
  const decipher = createDecipheriv('aes-256-gcm', createSecretKey(key), ZERO_NONCE, OPTIONS).setAAD(aad);
  decipher.setAuthTag(sealed.subarray(end));
  const plaintext = decipher.update(sealed.subarray(0, end));
  try {
    decipher.final();
  } catch {
    plaintext.fill(0);
    return undefined;
  }
  return plaintext;
}
