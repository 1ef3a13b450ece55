/**
 * Key derivation: HKDF-SHA256 with length-prefixed, hashed contexts (FORMAT.md section 3). Contexts are hashed, because an
 * object key has up to 1,024 bytes and Node bounds HKDF's `info` at 1,024.
 */
import { Buffer } from 'node:buffer';
import { hash, hkdfSync, type KeyObject } from 'node:crypto';

export const KEY_BYTES = 32;

/** LP(data): the length as 4 bytes, big-endian, then the data. */
export function lp(data: Buffer): Buffer {
  const out = Buffer.allocUnsafe(4 + data.length);
  out.writeUInt32BE(data.length, 0);
  data.copy(out, 4);
  return out;
}

/** LP(a) || LP(b) || ...: no two lists of fields give the same bytes. */
export function frame(...fields: readonly Buffer[]): Buffer {
  const out = Buffer.allocUnsafe(fields.reduce((sum, field) => sum + 4 + field.length, 0));
  let at = 0;
  for (const field of fields) {
    at = out.writeUInt32BE(field.length, at);
    at += field.copy(out, at);
  }
  return out;
}

/** SHA-256 of the framed fields, 32 bytes. */
export function context(...fields: readonly Buffer[]): Buffer {
  return hash('sha256', frame(...fields), 'buffer');
}

export interface Derivation {
  /** Purpose, as in `sealgate/1/part`. */
  readonly label: string;
  /** Stored beside what the key seals; may be empty. */
  readonly salt: Buffer;
  /** What the key is bound to. */
  readonly context?: readonly Buffer[];
}

const NO_CONTEXT = context();
/** Purposes are few and fixed: their framed bytes are kept. */
const purposes = new Map<string, Buffer>();

function purpose(label: string): Buffer {
  const known = purposes.get(label);
  if (known !== undefined) return known;
  const framed = lp(Buffer.from(label, 'utf8'));
  purposes.set(label, framed);
  return framed;
}

/** 32 bytes: HKDF-SHA256(secret, salt, info = LP(label) || context(...)). A `Buffer` secret is not wiped. */
export function deriveKey(secret: KeyObject | Buffer, o: Derivation): Buffer {
  const info = Buffer.concat([purpose(o.label), o.context === undefined ? NO_CONTEXT : context(...o.context)]);
  return Buffer.from(hkdfSync('sha256', secret, o.salt, info, KEY_BYTES));
}
