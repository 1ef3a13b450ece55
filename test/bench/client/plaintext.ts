/**
 * The plaintext of every object of the benchmark: windows of one block of random-looking bytes, so that any received byte
 * can be compared with the one that belongs there, at next to no cost.
 */

import { createHash } from 'node:crypto';
import { MiB } from '../../helpers/bytes.ts';
import { generatedBody } from '../../soak/support/generated-body.ts';

export const LARGE_BYTES = 64 * MiB;
export const SMALL_BYTES = 4096;
/** Windows of large objects begin a whole number of these apart. */
const STEP_BYTES = MiB / 2;
const WINDOWS = 32;
/** Bytes compared at each end of a received piece. */
const COMPARED_BYTES = 64;

let block: Buffer | undefined;

function bytes(): Buffer {
  block ??= Buffer.concat([...generatedBody('benchmark', LARGE_BYTES + WINDOWS * STEP_BYTES)]);
  return block;
}

/** A 64 MiB body; different for each index below 32. */
export function largeBody(index: number): Buffer {
  const start = (index % WINDOWS) * STEP_BYTES;
  return bytes().subarray(start, start + LARGE_BYTES);
}

/** A 4 KiB body; different for each index below 16,384. */
export function smallBody(index: number): Buffer {
  const start = (index * SMALL_BYTES) % LARGE_BYTES;
  return bytes().subarray(start, start + SMALL_BYTES);
}

/** Throws unless both ends of a piece are what stands at that offset of `expected`. */
export function comparePiece(piece: Buffer, offset: number, expected: Buffer): void {
  const head = Math.min(COMPARED_BYTES, piece.length);
  const last = piece.length - head;
  const isSame = (at: number) => {
    const from = offset + at;
    if (from + head > expected.length) return false;
    return piece.compare(expected, from, from + head, at, at + head) === 0;
  };
  if (!isSame(0) || !isSame(last)) throw new Error(`wrong bytes at offset ${offset}`);
}

export function sha256(data: Buffer): string {
  return createHash('sha256').update(data).digest('hex');
}
