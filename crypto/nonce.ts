/**
 * Nonces of a run of segments, after STREAM (Hoang, Reyhanitabar, Rogaway, Vizár 2015): an 11-byte big-endian counter and
 * one byte that is 1 for the last segment (FORMAT.md section 6.2). The counter only moves forward, and nothing comes
 * after the last segment.
 */
import { Buffer } from 'node:buffer';
import { MAX_SEGMENTS } from './layout.ts';

const NONCE_BYTES = 12;
const COUNTER_LOW_OFFSET = 7;

export class SegmentNonce {
  readonly #nonce = Buffer.alloc(NONCE_BYTES);
  #counter: number;
  #finished = false;

  /** @param first index of the first segment: 0, but for a reader that starts inside a part. */
  constructor(first: number) {
    if (!Number.isSafeInteger(first) || first < 0 || first >= MAX_SEGMENTS) {
      throw new RangeError('A segment index is a whole number below 2^32.');
    }
    this.#counter = first;
  }

  /** True after the nonce of the last segment was taken. */
  get isFinished(): boolean {
    return this.#finished;
  }

  /** The nonce of the next segment. The buffer is overwritten by the next call. */
  next(isLast: boolean): Buffer {
    if (this.#finished) throw new Error('No segment may follow the last one.');
    if (this.#counter >= MAX_SEGMENTS) throw new RangeError('A run of segments is longer than 2^32.');
    this.#nonce.writeUInt32BE(this.#counter, COUNTER_LOW_OFFSET);
    this.#nonce[NONCE_BYTES - 1] = isLast ? 1 : 0;
    this.#counter += 1;
    this.#finished = isLast;
    return this.#nonce;
  }
}
