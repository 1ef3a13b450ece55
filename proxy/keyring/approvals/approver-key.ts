/** The Ed25519 keys of approvers (RFC 8032): private keys as PEM files (RFC 8410), public keys as base64 of 32 bytes. */
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign as signBytes,
  verify as verifyBytes,
} from 'node:crypto';
import { KeyError } from '../admin/key-errors.ts';

const PUBLIC_KEY_BYTES = 32;
export const SIGNATURE_BYTES = 64;
/** DER of a public key up to its 32 bytes (RFC 8410, section 4). */
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex');
/** Points of small order, sign bit off: one signature under such a key can verify for many messages (RFC 8032, section 5.1.7). */
const SMALL_ORDER: ReadonlySet<string> = new Set([
  '00'.repeat(32),
  `01${'00'.repeat(31)}`,
  `ec${'ff'.repeat(30)}7f`,
  `ed${'ff'.repeat(30)}7f`,
  `ee${'ff'.repeat(30)}7f`,
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
]);

/** The text is no usable key. Says what is wrong, never the key. */
export class InvalidApproverKey extends KeyError {
  readonly code = 'INVALID_APPROVER_KEY';
}

export interface ApproverPrivateKey {
  readonly key: KeyObject;
  /** base64 of 32 bytes. */
  readonly publicKey: string;
}

export function generateApproverKey(): { readonly pem: string; readonly publicKey: string } {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const pem = privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
  return { pem, publicKey: rawOf(publicKey) };
}

/** PKCS #8, as `sealgate approver keygen` and `openssl genpkey -algorithm ed25519` write it. @throws InvalidApproverKey */
export function parseApproverKey(pem: Buffer): ApproverPrivateKey {
  let key: KeyObject;
  try {
    key = createPrivateKey(pem);
  } catch {
    const message = pem.includes('ENCRYPTED PRIVATE KEY')
      ? 'The private key is encrypted: decrypt the file first.'
      : 'The file holds no private key in PEM.';
    throw new InvalidApproverKey(message);
  }
  if (key.asymmetricKeyType !== 'ed25519') throw new InvalidApproverKey('The private key is not an Ed25519 key.');
  return { key, publicKey: rawOf(createPublicKey(key)) };
}

/** The same text, checked. @throws InvalidApproverKey */
export function checkPublicKey(text: string): string {
  const bytes = Buffer.from(text, 'base64');
  if (bytes.length !== PUBLIC_KEY_BYTES || bytes.toString('base64') !== text) {
    throw new InvalidApproverKey(`The public key is not base64 of ${PUBLIC_KEY_BYTES} bytes.`);
  }
  const unsigned = Buffer.from(bytes);
  unsigned.writeUInt8(unsigned.readUInt8(31) & 0x7f, 31);
  if (SMALL_ORDER.has(unsigned.toString('hex'))) {
    throw new InvalidApproverKey('The public key is of small order: its signatures say nothing.');
  }
  return text;
}

/** 64 bytes. */
export function signWith({ key }: ApproverPrivateKey, message: Buffer): Buffer {
  return signBytes(null, message, key);
}

export function isSignedBy(publicKey: string, message: Buffer, signature: Buffer): boolean {
  const der = Buffer.concat([SPKI_PREFIX, Buffer.from(publicKey, 'base64')]);
  try {
    return verifyBytes(null, message, createPublicKey({ key: der, format: 'der', type: 'spki' }), signature);
  } catch {
    return false;
  }
}

function rawOf(publicKey: KeyObject): string {
  return publicKey.export({ format: 'der', type: 'spki' }).subarray(-PUBLIC_KEY_BYTES).toString('base64');
}
