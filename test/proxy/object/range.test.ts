/**
 * Ranges and the plan of what to fetch, as pure arithmetic: against a naive slice for any size, any parts and any range, so
 * that a boundary of segment or part is never off by one.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PART_HEADER_BYTES, SEALED_SEGMENT_BYTES, SEGMENT_BYTES, sealedPartBytes } from '../../../crypto/layout.ts';
import { S3Error } from '../../../proxy/errors.ts';
import { contentRange, resolveRange } from '../../../proxy/object/range.ts';
import { planRead, rangeOfPart } from '../../../proxy/object/read-plan.ts';

/** The offsets of an object that RFC 9110 section 14.1.2 says a range names. */
function named(header: string, size: number): number[] | 'whole' {
  const all = Array.from({ length: size }, (_, i) => i);
  const [, first, last] = /^bytes=(\d*)-(\d*)$/.exec(header) ?? [];
  if (first === undefined || last === undefined || (first === '' && last === '')) return 'whole';
  // Of an empty object S3 gives the end, which is all of it.
  if (first === '' && size === 0 && Number(last) > 0) return 'whole';
  if (first === '') return Number(last) === 0 ? [] : all.slice(-Number(last));
  if (last !== '' && Number(last) < Number(first)) return 'whole';
  return all.filter((at) => at >= Number(first) && (last === '' || at <= Number(last)));
}

test('resolveRange against the definition, for every range of small objects', () => {
  let compared = 0;
  for (const size of [0, 1, 2, 5]) {
    for (const first of ['', '0', '1', '4', '5', '9']) {
      for (const last of ['', '0', '1', '4', '5', '9']) {
        const header = `bytes=${first}-${last}`;
        const wanted = named(header, size);
        const found = outcome(() => resolveRange(header, size));
        if (wanted === 'whole') expect([header, size, found]).toEqual([header, size, undefined]);
        else if (wanted.length === 0) expect([header, size, found]).toEqual([header, size, 'InvalidRange']);
        else expect([header, size, found]).toEqual([header, size, { start: wanted[0], end: (wanted.at(-1) ?? 0) + 1 }]);
        compared++;
      }
    }
  }
  expect(compared).toBe(144);
});

function outcome(work: () => unknown): unknown {
  try {
    return work();
  } catch (error) {
    if (error instanceof S3Error) return error.code;
    throw error;
  }
}

test('Content-Range names the last byte, not the one after it', () => {
  expect(contentRange({ start: 0, end: 1 }, 10)).toBe('bytes 0-0/10');
  expect(contentRange({ start: 3, end: 10 }, 10)).toBe('bytes 3-9/10');
});

const salt = Buffer.alloc(32);
const sizeOf = fc.oneof(
  fc.constantFrom(1, SEGMENT_BYTES - 1, SEGMENT_BYTES, SEGMENT_BYTES + 1, 2 * SEGMENT_BYTES),
  fc.integer({ min: 1, max: 5 * SEGMENT_BYTES }),
);
const partsOf = (sizes: readonly number[]) => sizes.map((plainBytes, i) => ({ partNumber: i + 1, salt, plainBytes }));

describe('planRead', () => {
  test('covers exactly the range, from one stretch, with less than a segment over at each end', () => {
    const objects = fc.array(sizeOf, { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(
        objects,
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (sizes, a, b) => {
          const total = sizes.reduce((sum, size) => sum + size, 0);
          const start = Math.min(Math.floor(Math.min(a, b) * total), total - 1);
          const end = Math.max(start + 1, Math.floor(Math.max(a, b) * total));
          const { pieces, sealedStart, sealedEnd } = planRead(partsOf(sizes), { start, end });

          expect(pieces.reduce((sum, { take }) => sum + take, 0)).toBe(end - start);
          expect(pieces.reduce((sum, { sealedBytes }) => sum + sealedBytes, 0)).toBe(sealedEnd - sealedStart);
          for (const [index, piece] of pieces.entries()) {
            expect(piece.skip).toBeLessThan(SEGMENT_BYTES);
            // Only the first piece may begin inside its part, and only the last end inside.
            if (index > 0) expect([piece.firstSegment, piece.skip, piece.withHeader]).toEqual([0, 0, true]);
            if (index < pieces.length - 1)
              expect(piece.sealedBytes).toBe(
                piece.withHeader
                  ? sealedPartBytes(piece.plainBytes)
                  : sealedPartBytes(piece.plainBytes) - PART_HEADER_BYTES - piece.firstSegment * SEALED_SEGMENT_BYTES,
              );
          }
          const plainOfFirst = plainOffset(sizes, (pieces[0]?.partNumber ?? 0) - 1);
          expect(plainOfFirst + (pieces[0]?.firstSegment ?? 0) * SEGMENT_BYTES + (pieces[0]?.skip ?? 0)).toBe(start);
          expect(sealedStart).toBe(sealedOffset(sizes, pieces[0]));
        },
      ),
      { numRuns: 300 },
    );
  });

  test('of an empty object is its one empty segment', () => {
    const plan = planRead(partsOf([0]), { start: 0, end: 0 });
    expect([plan.sealedStart, plan.sealedEnd]).toEqual([0, sealedPartBytes(0)]);
    expect(plan.pieces).toMatchObject([{ segmentCount: 1, withHeader: true, skip: 0, take: 0 }]);
  });

  test('of the whole object is all of its parts', () => {
    const sizes = [SEGMENT_BYTES, 1, 3 * SEGMENT_BYTES + 5];
    const total = sizes.reduce((sum, size) => sum + size, 0);
    const plan = planRead(partsOf(sizes), { start: 0, end: total });
    expect([plan.sealedStart, plan.sealedEnd]).toEqual([
      0,
      sizes.reduce((sum, size) => sum + sealedPartBytes(size), 0),
    ]);
    expect(plan.pieces.map(({ partNumber }) => partNumber)).toEqual([1, 2, 3]);
  });
});

function plainOffset(sizes: readonly number[], parts: number): number {
  return sizes.slice(0, parts).reduce((sum, size) => sum + size, 0);
}

function sealedOffset(
  sizes: readonly number[],
  first: { partNumber: number; firstSegment: number; withHeader: boolean } | undefined,
): number {
  if (first === undefined) return Number.NaN;
  const before = sizes.slice(0, first.partNumber - 1).reduce((sum, size) => sum + sealedPartBytes(size), 0);
  return before + (first.withHeader ? 0 : PART_HEADER_BYTES + first.firstSegment * SEALED_SEGMENT_BYTES);
}

test('a part by its number is its stretch of the plaintext, whatever the gaps between numbers', () => {
  const table = [
    [1, 10],
    [5, 20],
    [9, 5],
  ].map(([number = 0, size = 0]) => ({ number, size, salt, md5: Buffer.alloc(16) }));
  expect(rangeOfPart(table, 1)).toEqual({ start: 0, end: 10 });
  expect(rangeOfPart(table, 5)).toEqual({ start: 10, end: 30 });
  expect(rangeOfPart(table, 9)).toEqual({ start: 30, end: 35 });
  for (const number of [0, 2, 4, 10]) expect(rangeOfPart(table, number)).toBeUndefined();
});
