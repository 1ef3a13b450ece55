/**
 * Takes the place of crypto/random.ts in the process of make.ts, and in no other: salts that follow from the name of the
 * vector, so that making the vectors again gives the same bytes.
 */
import type { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';

export const SALT_BYTES = 32;
export const BINDING_BYTES = 16;

let name = '';
let drawn = 0;

/** Starts the sequence of one vector. */
export function startSequence(vector: string): void {
  name = vector;
  drawn = 0;
}

export function randomSalt(): Buffer {
  drawn += 1;
  return createHash('sha256').update(`sealgate vector ${name} salt ${drawn}`).digest();
}

export function newBinding(): Buffer {
  return randomSalt().subarray(0, BINDING_BYTES);
}
