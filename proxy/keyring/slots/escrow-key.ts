/**
 * The escrow key pair (docs/escrow.md): an X25519 public key that servers know, and the private key in a file that is kept
 * offline. Keys come in as text and leave as checked bytes: a public key of low order, which would make every shared secret
 * zero, is refused at the door (RFC 7748, section 6.1; RFC 9180, section 7.1.4).
 */
import { createPrivateKey, createPublicKey, diffieHellman, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { KeyError } from '../admin/key-errors.ts';

export const ESCROW_KEY_BYTES = 32;
const FILE_PREFIX = 'sealgate-escrow-private-key-1:';
/** DER of an X25519 key up to its 32 bytes (RFC 8410, sections 4 and 7). */
const PKCS8_PREFIX = Buffer.from('302e020100300506032b656e04220420', 'hex');
const SPKI_PREFIX = Buffer.from('302a300506032b656e032100', 'hex');

/** The text is no usable key. Says what is wrong, never the key. */
export class InvalidEscrowKey extends KeyError {
  readonly code = 'INVALID_ESCROW_KEY';
}

export interface EscrowPrivateKey {
  /** 32 bytes, as RFC 7748 has them. */
  readonly secret: Buffer;
  /** 32 bytes. */
  readonly publicKey: Buffer;
}

/** 32 bytes from base64. @throws InvalidEscrowKey */
export function parseEscrowPublicKey(text: string): Buffer {
  const bytes = decode(text.trim(), 'The escrow public key');
  const ephemeral = generateKeyPairSync('x25519').privateKey;
  try {
    diffieHellman({ privateKey: ephemeral, publicKey: publicKeyObject(bytes) });
  } catch {
    throw new InvalidEscrowKey('The escrow public key is of low order: nothing can be sealed to it.');
  }
  return bytes;
}

export function generateEscrowKey(): EscrowPrivateKey {
  const der = generateKeyPairSync('x25519').privateKey.export({ format: 'der', type: 'pkcs8' });
  return escrowKeyOf(der.subarray(-ESCROW_KEY_BYTES));
}

/** What `sealgate escrow keygen` writes: comments, then one line with the key. */
export function renderEscrowKeyFile(key: EscrowPrivateKey, created: string): string {
  return [
    '# Sealgate escrow private key. It opens every tenant that was escrowed to it: keep it offline.',
    `# created: ${created}`,
    `# public key: ${key.publicKey.toString('base64')}`,
    `${FILE_PREFIX}${key.secret.toString('base64')}`,
    '',
  ].join('\n');
}

/** @throws InvalidEscrowKey unless the file holds exactly one private key. */
export function parseEscrowKeyFile(text: string): EscrowPrivateKey {
  const lines = text.split('\n').map((line) => line.trim());
  const [line, ...others] = lines.filter((one) => one !== '' && !one.startsWith('#'));
  if (line === undefined || others.length > 0 || !line.startsWith(FILE_PREFIX)) {
    throw new InvalidEscrowKey(
      `The file holds no escrow private key: expected one line that begins with ${FILE_PREFIX}`,
    );
  }
  return escrowKeyOf(decode(line.slice(FILE_PREFIX.length), 'The escrow private key'));
}

/** `secret`: 32 bytes, which are copied. */
export function escrowKeyOf(secret: Buffer): EscrowPrivateKey {
  const der = Buffer.concat([PKCS8_PREFIX, secret]);
  const key = createPublicKey(createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }));
  der.fill(0);
  const publicKey = key.export({ format: 'der', type: 'spki' }).subarray(-ESCROW_KEY_BYTES);
  return { secret: Buffer.from(secret), publicKey: Buffer.from(publicKey) };
}

function publicKeyObject(bytes: Buffer): KeyObject {
  return createPublicKey({ key: Buffer.concat([SPKI_PREFIX, bytes]), format: 'der', type: 'spki' });
}

function decode(text: string, what: string): Buffer {
  const bytes = Buffer.from(text, 'base64');
  if (bytes.length === ESCROW_KEY_BYTES && bytes.toString('base64') === text) return bytes;
  throw new InvalidEscrowKey(`${what} is not base64 of ${ESCROW_KEY_BYTES} bytes.`);
}
