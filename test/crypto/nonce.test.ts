/**
 * Protects the rule that a nonce is never used twice: the counter only moves forward, ends with the last segment, and
 * throws rather than start again.
 */
import { describe, expect, it } from 'vitest';
import { SegmentNonce } from '../../crypto/nonce.ts';

const hex = (nonce: Uint8Array) => Buffer.from(nonce).toString('hex');

describe('nonces of segments', () => {
  it('are an 11-byte big-endian counter and the flag of the last segment', () => {
    const nonce = new SegmentNonce(0);
    expect(hex(nonce.next(false))).toBe('000000000000000000000000');
    expect(hex(nonce.next(false))).toBe('000000000000000000000100');
    expect(hex(nonce.next(true))).toBe('000000000000000000000201');
  });

  it('start where a reader starts', () => {
    expect(hex(new SegmentNonce(0x01020304).next(true))).toBe('000000000000000102030401');
  });

  it('end with the last segment', () => {
    const nonce = new SegmentNonce(0);
    nonce.next(true);
    expect(nonce.isFinished).toBe(true);
    expect(() => nonce.next(false)).toThrow(/last/);
    expect(() => nonce.next(true)).toThrow(/last/);
  });

  it('throw at 2^32 instead of starting again', () => {
    const nonce = new SegmentNonce(2 ** 32 - 1);
    expect(hex(nonce.next(false))).toBe('00000000000000ffffffff00');
    expect(() => nonce.next(false)).toThrow(RangeError);
    expect(() => nonce.next(true)).toThrow(RangeError);
  });

  it.each([-1, 0.5, Number.NaN, 2 ** 32])('do not start at %d', (first) => {
    expect(() => new SegmentNonce(first)).toThrow(RangeError);
  });
});
