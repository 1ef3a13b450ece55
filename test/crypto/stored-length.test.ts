/**
 * Protects what a listing is to take sizes from: a stored length tells one size or none, every body fits what its size is given,
 * and what does not fit never looks as if it did.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ChecksumAlgorithm, checksumAlgorithms } from '../../crypto/checksums.ts';
import { footerBytes } from '../../crypto/footer.ts';
import { SEGMENT_BYTES, sealedPartBytes } from '../../crypto/layout.ts';
import {
  canonicalBytes,
  isLengthOf,
  lookUpBytes,
  MAX_PAD_BYTES,
  MAX_SMALL_BYTES,
  padBytes,
  plainBytesOf,
} from '../../crypto/stored-length.ts';

const KiB = 1024;
const MiB = 1024 * KiB;
const GiB = 1024 * MiB;
const STEP = 5 * MiB;
/** S3's largest object, and the format's. */
const LARGEST = [50e12, 2 ** 48] as const;

/** One less, itself and one more, for every edge of segments up to 20 MiB, of part steps, and of sizes that S3 names. */
const EDGES = [
  ...Array.from({ length: (20 * MiB) / SEGMENT_BYTES + 2 }, (_, i) => i * SEGMENT_BYTES),
  ...[1, 2, 3, 100, 1023, 1024, 9_998, 9_999, 10_000, 10_001, 1_000_000].map((steps) => steps * STEP),
  MiB,
  20 * MiB,
  5 * GiB,
  ...LARGEST,
].flatMap((edge) => [edge - 1, edge, edge + 1].filter((n) => n >= 0 && n <= 2 ** 48));

const anySize = fc.oneof(
  fc.integer({ min: 0, max: 2 * MiB }),
  fc.maxSafeNat().map((n) => n % (2 ** 48 + 1)),
  fc
    .tuple(fc.constantFrom(...EDGES), fc.integer({ min: -300, max: 300 }))
    .map(([edge, by]) => Math.min(2 ** 48, Math.max(0, edge + by))),
);

describe('canonical lengths', () => {
  it('are those of small parts up to 1 MiB, and have room for a footer beyond', () => {
    expect(canonicalBytes(0)).toBe(64);
    expect(canonicalBytes(MAX_SMALL_BYTES)).toBe(sealedPartBytes(MAX_SMALL_BYTES));
    expect(canonicalBytes(MAX_SMALL_BYTES + 1)).toBe(MiB + 1 + 16 * 17 + 400 + 187);
    expect(canonicalBytes(STEP - 1)).toBe(STEP - 1 + 16 * 80 + 400 + 187);
    expect(canonicalBytes(STEP)).toBe(STEP + 16 * 80 + 400 + 2 * 187);
    expect(canonicalBytes(50e12)).toBe(50e12 + 16 * Math.ceil(50e12 / SEGMENT_BYTES) + 400 + 10_000 * 187);
  });

  it('have an inverse at every edge, and in between', () => {
    for (const n of EDGES) {
      if (plainBytesOf(canonicalBytes(n)) !== n) throw new Error(`${n} is not what its length tells`);
    }
    expect(EDGES.length).toBeGreaterThan(1000);
    fc.assert(fc.property(anySize, (n) => plainBytesOf(canonicalBytes(n)) === n));
  });

  it('rise, and every length between two of them tells nothing', () => {
    for (const n of EDGES.filter((edge) => edge > 0)) {
      const [before, length] = [canonicalBytes(n - 1), canonicalBytes(n)];
      if (length <= before) throw new Error(`not longer at ${n}`);
      for (let between = before + 1; between < length; between++) {
        if (plainBytesOf(between) !== undefined) throw new Error(`${between} tells ${plainBytesOf(between)}`);
      }
    }
    for (const length of [-1, 0, 1, 63, 1.5, Number.NaN, Number.POSITIVE_INFINITY, Number.MAX_SAFE_INTEGER]) {
      expect([length, plainBytesOf(length)]).toEqual([length, undefined]);
    }
    expect(plainBytesOf(canonicalBytes(2 ** 48) + 1)).toBeUndefined();
  });
});

describe('lengths that tell nothing', () => {
  it('are the next ones that no plaintext has, less than a segment and a step away', () => {
    const check = (atLeast: number) => {
      const length = lookUpBytes(atLeast);
      expect(plainBytesOf(length)).toBeUndefined();
      expect(length).toBeGreaterThanOrEqual(atLeast);
      expect(length - atLeast).toBeLessThanOrEqual(SEGMENT_BYTES + 1);
      if (length > atLeast) {
        expect(plainBytesOf(length - 1)).toBeDefined();
        expect(plainBytesOf(atLeast + Math.floor((length - 1 - atLeast) / 2))).toBeDefined();
      }
    };
    for (const n of EDGES) check(canonicalBytes(n));
    fc.assert(fc.property(anySize, fc.integer({ min: 0, max: 70_000 }), (n, more) => check(canonicalBytes(n) + more)));
  });

  it('make up 16 of every 65,552', () => {
    const silent = Array.from({ length: 65_552 }, (_, i) => 100_000 + i).filter((n) => plainBytesOf(n) === undefined);
    expect(silent).toHaveLength(16);
  });
});

/** The longest footer beside early attributes: two checksums, rows with the longest. */
const LONGEST = { layout: 2, checksums: ['SHA512', 'SHA256'], partChecksum: 'SHA512' } as const;

describe('room', () => {
  it('is enough for the smallest parts with the longest rows, whatever their number', () => {
    for (const count of [1, 2, 3, 4, 5, 20, 21, 100, 537, 538, 1000, 1075, 5000, 9_999, 10_000]) {
      for (const size of [STEP, STEP + 1, STEP + SEGMENT_BYTES - 1]) {
        for (const last of [0, 1, SEGMENT_BYTES, STEP]) {
          const sizes = [...Array<number>(count - 1).fill(size), last];
          const plainBytes = (count - 1) * size + last;
          if (plainBytes <= MAX_SMALL_BYTES) continue;
          const unpadded = unpaddedBytes({ ...LONGEST, sizes });
          const slack = canonicalBytes(plainBytes) - unpadded;
          if (slack < 60) throw new Error(`${count} parts of ${size} and ${last} leave ${slack} bytes`);
        }
      }
    }
  });

  it('is at most 0.06 % of a body', () => {
    const most = Math.max(
      ...EDGES.filter((n) => n > MAX_SMALL_BYTES).map((n) => (canonicalBytes(n) - sealedPartBytes(n)) / n),
    );
    expect(most).toBeLessThan(0.000_6);
    expect(padBytes({ plainBytes: 10_000 * STEP, unpaddedBytes: sealedPartBytes(10_000 * STEP) })).toBeLessThan(
      MAX_PAD_BYTES,
    );
  });
});

/** A body in each way that a writer may come to it, and whether its length then has to tell its size. */
interface Body {
  readonly layout: 1 | 2;
  readonly sizes: readonly number[];
  readonly checksums: readonly ChecksumAlgorithm[];
  readonly partChecksum: ChecksumAlgorithm | undefined;
  /** Bytes of a value of metadata that stands in the footer; undefined: none does. */
  readonly early: number | undefined;
  readonly lookUp: boolean;
}

const checksum = fc.option(fc.constantFrom(...checksumAlgorithms()), { nil: undefined });
const partSize = fc.oneof(
  fc.constantFrom(STEP, STEP + 1, 8 * MiB, 8 * MiB - 1, 16 * MiB, 5 * GiB),
  fc.integer({ min: STEP, max: 64 * MiB }),
);
const lastSize = fc.oneof(
  fc.constantFrom(0, 1, SEGMENT_BYTES, MiB, MiB + 1, STEP - 1, STEP),
  fc.integer({ min: 0, max: 64 * MiB }),
);
/** Parts of all sizes, or of one size as R2 wants them; a last one that may be staged; and what copies make of them. */
const multipart: fc.Arbitrary<Body> = fc.record({
  layout: fc.constant<2>(2),
  sizes: fc
    .tuple(
      fc.oneof(
        { weight: 4, arbitrary: fc.array(partSize, { maxLength: 40 }) },
        {
          weight: 2,
          arbitrary: fc.tuple(fc.nat(300), partSize).map(([count, size]) => Array<number>(count).fill(size)),
        },
        { weight: 1, arbitrary: fc.constant(Array<number>(9_999).fill(STEP)) },
      ),
      lastSize,
    )
    .map(([sizes, last]) => [...sizes, last]),
  checksums: checksum.map((algorithm) => (algorithm === undefined ? [] : [algorithm])),
  partChecksum: checksum,
  early: fc.option(fc.integer({ min: 1300, max: 60_000 }), { nil: undefined, freq: 4 }),
  lookUp: fc.boolean(),
});
const single: fc.Arbitrary<Body> = fc.record({
  layout: fc.constant<1>(1),
  sizes: anySize.map((size) => [size]),
  checksums: fc.uniqueArray(fc.constantFrom(...checksumAlgorithms()), { maxLength: 2 }),
  partChecksum: fc.constant(undefined),
  early: fc.option(fc.integer({ min: 1, max: 60_000 }), { nil: undefined, freq: 4 }),
  lookUp: fc.boolean(),
});

describe('bodies with a footer', () => {
  it.each([
    ['2,000 uploads of parts', multipart],
    ['2,000 single bodies', single],
  ])('%s: the length tells the size or nothing, and nothing only of exceptions', (_, bodies) => {
    let told = 0;
    fc.assert(
      fc.property(bodies, (body) => {
        const size = body.sizes.reduce((sum, one) => sum + one, 0);
        const stored = body.sizes.reduce((sum, one) => sum + sealedPartBytes(one), 0) + footerBytes(planOf(body));
        const isException = size <= MAX_SMALL_BYTES || body.early !== undefined || body.lookUp;
        const tells = plainBytesOf(stored);
        if (tells !== undefined) told += 1;
        if (size <= MAX_SMALL_BYTES || body.lookUp) expect(tells).toBeUndefined();
        else expect(isException ? [size, undefined] : [size]).toContain(tells);
        expect(isLengthOf({ storedBytes: stored, plainBytes: size, hasFooter: true })).toBe(true);
        expect(isLengthOf({ storedBytes: stored, plainBytes: size + 1, hasFooter: true })).toBe(tells === undefined);
      }),
      { numRuns: 2000 },
    );
    expect(told).toBeGreaterThan(200);
  });

  it('up to 1 MiB tell nothing, whatever their size', () => {
    const sizes = [...EDGES, 100, 4096, 65_000, 1_000_000].filter((n) => n <= MAX_SMALL_BYTES);
    for (const n of sizes) {
      for (const plan of [
        { layout: 1, checksums: [], sizes: [n] },
        { layout: 2, checksums: [], sizes: [n] },
        { ...LONGEST, sizes: [n] },
      ] as const) {
        const stored = sealedPartBytes(n) + footerBytes(plan);
        if (plainBytesOf(stored) !== undefined) throw new Error(`${n} is stored in ${stored} bytes`);
      }
    }
    expect(sizes.length).toBeGreaterThan(50);
  });
});

function planOf({ early, ...body }: Body): Parameters<typeof footerBytes>[0] {
  const single = body.layout === 1 ? { size: 0, partSalt: Buffer.alloc(32) } : {};
  const metadata = early === undefined ? undefined : [['long', 'x'.repeat(early)] as const];
  return { ...body, ...(metadata === undefined ? {} : { early: { ...single, headers: [], metadata } }) };
}

/** A body without its pad, added up from FORMAT.md; with its pad it has to have its canonical length. */
function unpaddedBytes(plan: Parameters<typeof footerBytes>[0]): number {
  const size = plan.sizes.reduce((sum, one) => sum + one, 0);
  const parts = plan.sizes.reduce((sum, one) => sum + sealedPartBytes(one), 0);
  const stored = parts + footerBytes(plan);
  if (stored !== canonicalBytes(size)) throw new Error(`${plan.sizes.length} parts do not fit`);
  const rows = plan.sizes.length * (58 + 64);
  const table = rows + 16 * Math.ceil(rows / SEGMENT_BYTES);
  const box = 48 + 1 + 21 + 11 + 69 + 37 + 80 + 35 + 7;
  return parts + table + box + 24;
}
