/**
 * A data key together with the binding that header and footer share (FORMAT.md section 4.5). Copies of an object, and the object
 * after its metadata were replaced, have the same data key: the binding is what tells their footers apart.
 */
import type { Buffer } from 'node:buffer';
import { Dek } from './dek.ts';
import { newBinding } from './random.ts';

export interface DataKey {
  readonly dek: Dek;
  /** 16 bytes. */
  readonly binding: Buffer;
}

/** For a new object or a new upload. */
export function newDataKey(): DataKey {
  return { dek: Dek.generate(), binding: newBinding() };
}

/** For a footer that takes the place of another, and for the header in front of it. Where the footer stays, the binding does. */
export function forNewFooter({ dek }: DataKey): DataKey {
  return { dek, binding: newBinding() };
}
