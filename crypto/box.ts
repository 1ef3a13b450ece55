/**
 * A box: salt || ciphertext || tag, one message under a key derived from a data key with a fresh salt (FORMAT.md section
 * 5.1). Attributes are boxes; so can be any further record that belongs to an object, under a label of its own.
 */
import { Buffer } from 'node:buffer';
import { type Dek, deriveFromDek } from './dek.ts';
import { openOnce, sealOnce } from './gcm.ts';
import { TAG_BYTES } from './layout.ts';
import { randomSalt, SALT_BYTES } from './random.ts';

/** Bytes that a box has more than its plaintext. */
export const BOX_OVERHEAD_BYTES = SALT_BYTES + TAG_BYTES;
const NO_AAD = Buffer.alloc(0);

export interface BoxPurpose {
  readonly dek: Dek;
  /** A registered label (FORMAT.md section 3.2); one per kind of record. */
  readonly label: string;
  /** The fields that the box is bound to. It opens only with the same fields. */
  readonly context: readonly Buffer[];
}

export function sealBox(o: BoxPurpose & { readonly plaintext: Buffer }): Buffer {
  const salt = randomSalt();
  const key = deriveFromDek(o.dek, { label: o.label, salt, context: o.context });
  const sealed = sealOnce(key, o.plaintext, NO_AAD);
  key.fill(0);
  return Buffer.concat([salt, sealed]);
}

/** The plaintext; `undefined` when the box is not authentic. */
export function openBox(o: BoxPurpose & { readonly box: Buffer }): Buffer | undefined {
  if (o.box.length < BOX_OVERHEAD_BYTES) return undefined;
  const key = deriveFromDek(o.dek, { label: o.label, salt: o.box.subarray(0, SALT_BYTES), context: o.context });
  const plaintext = openOnce(key, o.box.subarray(SALT_BYTES), NO_AAD);
  key.fill(0);
  return plaintext;
}
