/**
 * Checkpoints as signed notes (C2SP signed-note and tlog-checkpoint): a text that names a log, its size and its root, and under it
 * an Ed25519 signature. Other tools of that ecosystem read and verify them.
 */
import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';

const ED25519 = 1;
/** What stands before the 32 bytes in PKCS #8 and in SubjectPublicKeyInfo (RFC 8410). */
const PRIVATE_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex');
const PUBLIC_PREFIX = Buffer.from('302a300506032b6570032100', 'hex');

/** What a log says of itself at one size. */
export interface Checkpoint {
  /** `sealgate-audit/<16 hex digits>`. */
  readonly origin: string;
  readonly size: number;
  /** 32 bytes. */
  readonly root: Buffer;
  /** One further line that the signature covers. */
  readonly extension: string;
}

export interface SignedNote {
  readonly checkpoint: Checkpoint;
  /** Everything that is signed, its last line end included. */
  readonly text: string;
  readonly signatures: readonly { readonly name: string; readonly keyId: string; readonly signature: Buffer }[];
}

/** A public key with the origin it signs for: `name+keyid+base64`. */
export interface Verifier {
  readonly name: string;
  /** 8 hex digits. */
  readonly keyId: string;
  /** 32 bytes. */
  readonly publicKey: Buffer;
}

/** `seed`: 32 bytes. */
export function signingKey(seed: Buffer): KeyObject {
  return createPrivateKey({ key: Buffer.concat([PRIVATE_PREFIX, seed]), format: 'der', type: 'pkcs8' });
}

/** 32 bytes. */
export function publicKeyOf(key: KeyObject): Buffer {
  return createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(PUBLIC_PREFIX.length);
}

export function verifierOf(name: string, publicKey: Buffer): Verifier {
  const keyId = createHash('sha256')
    .update(`${name}\n`)
    .update(Buffer.of(ED25519))
    .update(publicKey)
    .digest('hex')
    .slice(0, 8);
  return { name, keyId, publicKey };
}

export function verifierText({ name, keyId, publicKey }: Verifier): string {
  return `${name}+${keyId}+${Buffer.concat([Buffer.of(ED25519), publicKey]).toString('base64')}`;
}

/** `undefined`: no such key, or its id is not the key's. */
export function parseVerifier(text: string): Verifier | undefined {
  const [, name = '', keyId = '', encoded = ''] = /^([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]{44})$/.exec(text) ?? [];
  const bytes = Buffer.from(encoded, 'base64');
  if (bytes.length !== 33 || bytes[0] !== ED25519) return undefined;
  const found = verifierOf(name, bytes.subarray(1));
  return found.keyId === keyId ? found : undefined;
}

export function signBytes(key: KeyObject, message: Buffer): Buffer {
  return sign(null, message, key);
}

export function isSignedBy({ publicKey }: Verifier, message: Buffer, signature: Buffer): boolean {
  const key = createPublicKey({ key: Buffer.concat([PUBLIC_PREFIX, publicKey]), format: 'der', type: 'spki' });
  return signature.length === 64 && verify(null, message, key, signature);
}

/** The whole note. */
export function signCheckpoint(checkpoint: Checkpoint, key: KeyObject): string {
  const { origin, size, root, extension } = checkpoint;
  const text = `${origin}\n${size}\n${root.toString('base64')}\n${extension}\n`;
  const { keyId } = verifierOf(origin, publicKeyOf(key));
  const signature = Buffer.concat([Buffer.from(keyId, 'hex'), signBytes(key, Buffer.from(text))]);
  return `${text}\n— ${origin} ${signature.toString('base64')}\n`;
}

const NOTE = /^([^\s+]+)\n(0|[1-9]\d{0,15})\n([A-Za-z0-9+/]{43}=)\n([^\n]+)\n\n((?:— \S+ \S+\n)+)$/;

/** `undefined`: no checkpoint of this shape. Nothing is verified. */
export function parseNote(note: string): SignedNote | undefined {
  const [, origin = '', size = '', root = '', extension = '', lines = ''] = NOTE.exec(note) ?? [];
  if (origin === '') return undefined;
  const signatures = [...lines.matchAll(/^— (\S+) (\S+)$/gm)].map(([, name = '', encoded = '']) => {
    const bytes = Buffer.from(encoded, 'base64');
    return { name, keyId: bytes.subarray(0, 4).toString('hex'), signature: bytes.subarray(4) };
  });
  const checkpoint = { origin, size: Number(size), root: Buffer.from(root, 'base64'), extension };
  return { checkpoint, text: note.slice(0, note.indexOf('\n\n') + 1), signatures };
}

/** Whether one of the note's signatures is that key's. */
export function isNoteBy({ text, signatures }: SignedNote, verifier: Verifier): boolean {
  return signatures.some(
    ({ name, keyId, signature }) =>
      name === verifier.name && keyId === verifier.keyId && isSignedBy(verifier, Buffer.from(text), signature),
  );
}
