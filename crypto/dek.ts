/**
 * The data key of one object or one multipart upload (FORMAT.md section 4). Its bytes stay in this file: the rest of
 * crypto/ asks for keys derived from it, or for it to be wrapped.
 */
import { Buffer } from 'node:buffer';
import { createSecretKey, type KeyObject, timingSafeEqual } from 'node:crypto';
import { openOnce, sealOnce } from './gcm.ts';
import { type Derivation, deriveKey, KEY_BYTES } from './keys.ts';
import { randomSalt } from './random.ts';

const COMMITMENT = { label: 'sealgate/1/commit', salt: Buffer.alloc(0) };
const INSPECT = Symbol.for('nodejs.util.inspect.custom');

let keyOf: (dek: Dek) => KeyObject;

export class Dek {
  readonly #key: KeyObject;

  static {
    keyOf = (dek) => dek.#key;
  }

  private constructor(key: KeyObject) {
    this.#key = key;
  }

  static generate(): Dek {
    const raw = randomSalt();
    const dek = Dek.fromBytes(raw);
    raw.fill(0);
    return dek;
  }

  /** @param raw 32 bytes; copied, and left to the caller to wipe. */
  static fromBytes(raw: Buffer): Dek {
    if (raw.length !== KEY_BYTES) throw new RangeError('A data key has 32 bytes.');
    return new Dek(createSecretKey(raw));
  }

  toJSON(): string {
    return '[Dek]';
  }

  [INSPECT](): string {
    return '[Dek]';
  }
}

/** For crypto/ only: a key derived from the data key. */
export function deriveFromDek(dek: Dek, derivation: Derivation): Buffer {
  return deriveKey(keyOf(dek), derivation);
}

/** 32 bytes that only this data key gives: two keys that open the same ciphertext differ here. */
export function commitmentOf(dek: Dek): Buffer {
  return deriveFromDek(dek, COMMITMENT);
}

/** For crypto/ only: 48 bytes, the data key sealed as the one message of `wrapKey`. */
export function wrapDek(dek: Dek, wrapKey: Buffer, aad: Buffer): Buffer {
  const raw = keyOf(dek).export();
  const wrapped = sealOnce(wrapKey, raw, aad);
  raw.fill(0);
  return wrapped;
}

/** For crypto/ only: the inverse; `undefined` when the wrap is not authentic or the commitment is another key's. */
export function unwrapDek(o: { wrapKey: Buffer; wrapped: Buffer; aad: Buffer; commitment: Buffer }): Dek | undefined {
  const raw = openOnce(o.wrapKey, o.wrapped, o.aad);
  if (raw === undefined || raw.length !== KEY_BYTES) return undefined;
  const dek = Dek.fromBytes(raw);
  raw.fill(0);
  const expected = commitmentOf(dek);
  const isCommitted = o.commitment.length === expected.length && timingSafeEqual(o.commitment, expected);
  return isCommitted ? dek : undefined;
}
