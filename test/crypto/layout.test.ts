/**
 * Protects the arithmetic on which ranges and Content-Length rest: sizes, their inverses, and where segments lie.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  PART_HEADER_BYTES,
  plainPartBytes,
  SEALED_SEGMENT_BYTES,
  SEGMENT_BYTES,
  sealedPartBytes,
  segmentSpan,
  TAG_BYTES,
} from '../../crypto/layout.ts';
import { codeOf } from './expect-code.ts';

const EDGES: readonly (readonly [plain: number, segments: number])[] = [
  [0, 1],
  [1, 1],
  [SEGMENT_BYTES - 1, 1],
  [SEGMENT_BYTES, 1],
  [SEGMENT_BYTES + 1, 2],
  [2 * SEGMENT_BYTES, 2],
  [2 ** 20 - 1, 16],
  [2 ** 20, 16],
  [2 ** 20 + 1, 17],
  [5 * 2 ** 30, 81920],
  [2 ** 48, 2 ** 32],
];
const size = fc.oneof(
  fc.integer({ min: 0, max: 4 * SEGMENT_BYTES }),
  fc.maxSafeNat().map((n) => n % (2 ** 48 + 1)),
);

describe('sizes of sealed parts', () => {
  it.each(EDGES)('%d bytes of plaintext take %d segments', (plain, segments) => {
    expect(sealedPartBytes(plain)).toBe(48 + plain + 16 * segments);
    expect(plainPartBytes(sealedPartBytes(plain))).toBe(plain);
  });

  it('have an inverse', () => {
    fc.assert(fc.property(size, (plain) => plainPartBytes(sealedPartBytes(plain)) === plain));
  });

  it('that no part can have are refused, and all others are sizes of a part', () => {
    const sizes = new Set(Array.from({ length: 3 * SEGMENT_BYTES }, (_, plain) => sealedPartBytes(plain)));
    let refused = 0;
    for (let sealed = 0; sealed < 48 + 2 * SEALED_SEGMENT_BYTES; sealed++) {
      const code = codeOf(() => plainPartBytes(sealed));
      if (code !== (sizes.has(sealed) ? 'success' : 'LENGTH_MISMATCH')) throw new Error(`${sealed}: ${code}`);
      refused += code === 'success' ? 0 : 1;
    }
    // 0 to 63, and after the first whole segment the 16 lengths that would be an empty second one or less.
    expect(refused).toBe(64 + 16);
  });

  it.each([-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 48 + 1])('refuse %d', (plain) => {
    expect(() => sealedPartBytes(plain)).toThrow(RangeError);
    expect(codeOf(() => plainPartBytes(plain === 2 ** 48 + 1 ? Number.MAX_SAFE_INTEGER : plain))).toBe(
      'LENGTH_MISMATCH',
    );
  });
});

describe('spans of segments', () => {
  it('hold exactly the range', () => {
    const ranges = size
      .filter((plain) => plain > 0)
      .chain((plain) =>
        fc.tuple(
          fc.constant(plain),
          fc.nat(plain - 1).chain((start) => fc.tuple(fc.constant(start), fc.nat(plain - start - 1))),
        ),
      );
    fc.assert(
      fc.property(ranges, ([plainBytes, [start, more]]) => {
        const end = start + 1 + more;
        const span = segmentSpan({ plainBytes }, { start, end });
        const spanStart = span.firstSegment * SEGMENT_BYTES;
        const spanEnd = Math.min(plainBytes, (span.firstSegment + span.segmentCount) * SEGMENT_BYTES);
        expect(span.skip).toBe(start - spanStart);
        expect(span.skip).toBeLessThan(SEGMENT_BYTES);
        expect(spanEnd).toBeGreaterThanOrEqual(end);
        expect(spanEnd - end).toBeLessThan(SEGMENT_BYTES);
        expect(span.sealedStart).toBe(PART_HEADER_BYTES + span.firstSegment * SEALED_SEGMENT_BYTES);
        expect(span.sealedEnd - span.sealedStart).toBe(spanEnd - spanStart + span.segmentCount * TAG_BYTES);
      }),
    );
  });

  it('of the whole part are the whole sealed part without its header', () => {
    for (const [plainBytes, segmentCount] of EDGES) {
      const span = segmentSpan({ plainBytes }, { start: 0, end: plainBytes });
      const sealedEnd = sealedPartBytes(plainBytes);
      expect(span).toEqual({ firstSegment: 0, segmentCount, sealedStart: PART_HEADER_BYTES, sealedEnd, skip: 0 });
    }
  });

  it.each([
    [10, 0, 11],
    [10, 5, 5],
    [10, 6, 5],
    [10, -1, 5],
    [10, 0.5, 5],
    [10, 10, 10],
    [0, 0, 1],
    [0, 1, 1],
  ])('of %d bytes refuse [%d, %d)', (plainBytes, start, end) => {
    expect(() => segmentSpan({ plainBytes }, { start, end })).toThrow(RangeError);
  });
});
