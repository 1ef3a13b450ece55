/**
 * Protects opening: no byte of plaintext comes out of sealed bytes that were cut, moved, repeated, extended or changed, and
 * any range gives exactly its bytes.
 */
import { Buffer } from 'node:buffer';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Dek } from '../../crypto/dek.ts';
import {
  PART_HEADER_BYTES,
  SEALED_SEGMENT_BYTES,
  SEGMENT_BYTES,
  segmentSpan,
  segmentsOf,
} from '../../crypto/layout.ts';
import { openStream, PartOpener, parsePartHeader } from '../../crypto/open.ts';
import { PartSealer } from '../../crypto/seal.ts';
import { codeOf, codeOfAsync } from './expect-code.ts';
import { flipped } from './forge.ts';
import { pattern } from './vectors/build.ts';

const dek = Dek.generate();
const identity = { dek, layout: 2, partNumber: 3 } as const;
const plaintext = pattern(3 * SEGMENT_BYTES + 100);
const { salt, sealed } = seal(plaintext);
const run = sealed.subarray(PART_HEADER_BYTES);

function seal(plain: Buffer) {
  const sealer = new PartSealer(identity);
  return { salt: sealer.salt, sealed: sealer.seal(plain, { last: true }) };
}

function opener(o: Partial<ConstructorParameters<typeof PartOpener>[0]> = {}): PartOpener {
  return new PartOpener({ ...identity, salt, plainBytes: plaintext.length, ...o });
}

function segment(index: number): Buffer {
  return run.subarray(index * SEALED_SEGMENT_BYTES, (index + 1) * SEALED_SEGMENT_BYTES);
}

async function* chunksOf(data: Buffer, sizes: readonly number[]): AsyncGenerator<Buffer> {
  let at = 0;
  for (let i = 0; at < data.length; i++) {
    const end = at + (sizes[i % sizes.length] ?? data.length);
    yield data.subarray(at, end);
    at = end;
  }
}

interface StreamRun {
  readonly code: string;
  readonly released: Buffer;
}

/** Streams until the end or the first refusal. */
async function stream(
  o: Partial<Parameters<typeof openStream>[0]> & { bytes: Buffer; sizes?: readonly number[] },
): Promise<StreamRun> {
  const released: Buffer[] = [];
  const code = await codeOfAsync(async () => {
    const source = chunksOf(o.bytes, o.sizes ?? [65536]);
    const segmentCount = segmentsOf(plaintext.length);
    const whole = { skip: 0, take: plaintext.length, segmentCount, withHeader: true, batchBytes: SEGMENT_BYTES };
    for await (const chunk of openStream({ opener: opener(), sealed: source, ...whole, ...o })) released.push(chunk);
  });
  return { code, released: Buffer.concat(released) };
}

describe('a part opener', () => {
  it('opens a part in one piece, or segment by segment', () => {
    expect(opener().open(run).equals(plaintext)).toBe(true);
    const one = opener();
    const pieces = [0, 1, 2, 3].map((index) => one.open(segment(index)));
    expect(Buffer.concat(pieces).equals(plaintext)).toBe(true);
  });

  it('derives the key anew for another layout, part, salt or data key, whatever was opened before', () => {
    const other = Dek.generate();
    const parts = [
      identity,
      { dek, layout: 2, partNumber: 4 },
      { dek, layout: 1, partNumber: 0 },
      { dek, layout: 0, partNumber: 0 },
      { dek: other, layout: 2, partNumber: 3 },
      identity,
    ].map((part) => {
      const sealer = new PartSealer(part as typeof identity);
      const bytes = sealer.seal(plaintext, { last: true });
      return { part: part as typeof identity, salt: sealer.salt, run: bytes.subarray(PART_HEADER_BYTES) };
    });
    for (const opened of parts) {
      for (const other of parts) {
        const first = opener({ ...opened.part, salt: opened.salt });
        expect(first.open(opened.run).equals(plaintext)).toBe(true);
        const fits = (isRight: boolean) => (isRight ? 'success' : 'SEGMENT_REFUSED');
        const underPart = opener({ ...opened.part, salt: other.salt });
        expect(codeOf(() => underPart.open(other.run))).toBe(fits(opened.part === other.part));
        const underSalt = opener({ ...other.part, salt: opened.salt });
        expect(codeOf(() => underSalt.open(other.run))).toBe(fits(opened === other));
      }
    }
  });

  it('does not take a salt for the one that stood in the same memory before', () => {
    const shared = Buffer.from(salt);
    expect(opener({ salt: shared }).open(run).equals(plaintext)).toBe(true);
    const next = seal(plaintext);
    next.salt.copy(shared);
    expect(opener({ salt: shared }).open(next.sealed.subarray(PART_HEADER_BYTES)).equals(plaintext)).toBe(true);
  });

  it('opens from any segment on', () => {
    for (const firstSegment of [0, 1, 2, 3]) {
      const opened = opener({ firstSegment }).open(run.subarray(firstSegment * SEALED_SEGMENT_BYTES));
      expect(opened.equals(plaintext.subarray(firstSegment * SEGMENT_BYTES))).toBe(true);
    }
    for (const firstSegment of [4, -1, 0.5]) expect(() => opener({ firstSegment })).toThrow(RangeError);
  });

  const MOVED: readonly (readonly [what: string, sealed: () => Buffer])[] = [
    ['two swapped', () => Buffer.concat([segment(1), segment(0), segment(2), segment(3)])],
    ['one twice', () => Buffer.concat([segment(0), segment(0), segment(2), segment(3)])],
    ['another part', () => seal(plaintext).sealed.subarray(PART_HEADER_BYTES)],
    [
      'one of another part',
      () => Buffer.concat([segment(0), seal(plaintext).sealed.subarray(48 + SEALED_SEGMENT_BYTES)]),
    ],
    ['zeros', () => Buffer.alloc(run.length)],
  ];
  it.each(MOVED)('refuses segments: %s', (_, moved) => {
    expect(moved()).toHaveLength(run.length);
    expect(codeOf(() => opener().open(moved()))).toBe('SEGMENT_REFUSED');
  });

  const LENGTHS: readonly (readonly [what: string, sealed: Buffer])[] = [
    ['nothing', Buffer.alloc(0)],
    ['a byte less', run.subarray(0, -1)],
    ['a byte more', Buffer.concat([run, Buffer.of(0)])],
    ['a segment more', Buffer.concat([run, segment(3)])],
    ['half a segment', run.subarray(0, SEALED_SEGMENT_BYTES / 2)],
    ['one segment and a half', run.subarray(0, SEALED_SEGMENT_BYTES * 1.5)],
    ['only the short one', Buffer.from(segment(3))],
  ];
  it.each(LENGTHS)('refuses a length: %s', (_, bytes) => {
    expect(codeOf(() => opener().open(bytes))).toBe('LENGTH_MISMATCH');
  });

  it('opens nothing after the last segment, and nothing after a refusal', () => {
    const finished = opener();
    finished.open(run);
    for (const bytes of [Buffer.alloc(0), segment(3), run]) {
      expect(codeOf(() => finished.open(bytes))).toBe('LENGTH_MISMATCH');
    }
    const refused = opener();
    expect(codeOf(() => refused.open(flipped(segment(0), 9)))).toBe('SEGMENT_REFUSED');
    for (const bytes of [Buffer.alloc(0), segment(0), segment(1), run]) {
      expect(codeOf(() => refused.open(bytes))).toBe('LENGTH_MISMATCH');
    }
  });

  it('refuses every byte of a segment and its tag changed', () => {
    const small = seal(pattern(40));
    const bytes = small.sealed.subarray(PART_HEADER_BYTES);
    const open = (changed: Buffer) => opener({ salt: small.salt, plainBytes: 40 }).open(changed);
    expect(codeOf(() => open(bytes))).toBe('success');
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      expect(codeOf(() => open(flipped(bytes, bit >> 3, 1 << (bit & 7))))).toBe('SEGMENT_REFUSED');
    }
  });

  it('refuses tags cut to 4 bytes, whatever size is claimed for it', () => {
    const small = seal(pattern(40));
    const cut = small.sealed.subarray(PART_HEADER_BYTES, PART_HEADER_BYTES + 44);
    for (const plainBytes of [28, 40, 44]) {
      const code = codeOf(() => opener({ salt: small.salt, plainBytes }).open(cut));
      expect(code).toBe(plainBytes === 28 ? 'SEGMENT_REFUSED' : 'LENGTH_MISMATCH');
    }
  });

  it('refuses another size, part number, layout, salt or data key', () => {
    // Cut at the end of a segment, with a size that agrees: the last one does not carry the flag of a last segment.
    const cut = run.subarray(0, 2 * SEALED_SEGMENT_BYTES);
    expect(codeOf(() => opener({ plainBytes: 2 * SEGMENT_BYTES }).open(cut))).toBe('SEGMENT_REFUSED');
    // And a last segment does not open as one in the middle.
    const whole = seal(plaintext.subarray(0, SEGMENT_BYTES));
    const first = whole.sealed.subarray(PART_HEADER_BYTES);
    expect(codeOf(() => opener({ salt: whole.salt, plainBytes: SEGMENT_BYTES }).open(first))).toBe('success');
    expect(codeOf(() => opener({ salt: whole.salt, plainBytes: 2 * SEGMENT_BYTES }).open(first))).toBe(
      'SEGMENT_REFUSED',
    );
    const others = [
      { partNumber: 4 },
      { layout: 1, partNumber: 0 } as const,
      { layout: 0, partNumber: 0 } as const,
      { salt: flipped(salt, 0) },
      { dek: Dek.generate() },
    ];
    for (const other of others) expect(codeOf(() => opener(other).open(run))).toBe('SEGMENT_REFUSED');
    expect(codeOf(() => opener({ firstSegment: 1 }).open(segment(0)))).toBe('SEGMENT_REFUSED');
  });

  it('distinguishes layouts 0 and 1, whose part number is the same', () => {
    const sealer = new PartSealer({ dek, layout: 0, partNumber: 0 });
    const bytes = sealer.seal(Buffer.from('x'), { last: true }).subarray(PART_HEADER_BYTES);
    const at = { dek, partNumber: 0, salt: sealer.salt, plainBytes: 1 };
    expect(codeOf(() => new PartOpener({ ...at, layout: 0 }).open(bytes))).toBe('success');
    expect(codeOf(() => new PartOpener({ ...at, layout: 1 }).open(bytes))).toBe('SEGMENT_REFUSED');
  });
});

describe('a part header', () => {
  it('gives its salt, and must be the authenticated one', () => {
    const header = sealed.subarray(0, PART_HEADER_BYTES);
    expect(parsePartHeader(header)).toEqual(salt);
    expect(codeOf(() => opener().checkHeader(header))).toBe('success');
    for (let at = 0; at < PART_HEADER_BYTES; at++) {
      expect(codeOf(() => opener().checkHeader(flipped(header, at)))).toBe('PART_HEADER_REFUSED');
    }
    for (const length of [0, 16, 47, 49]) {
      expect(codeOf(() => parsePartHeader(sealed.subarray(0, length)))).toBe('PART_HEADER_REFUSED');
    }
    expect(() => opener({ firstSegment: 1 }).checkHeader(header)).toThrow(RangeError);
  });
});

describe('an opened stream', () => {
  it('is the range, whatever the range, the chunks and the batches', async () => {
    const ranges = fc
      .tuple(fc.nat(plaintext.length - 1), fc.nat(plaintext.length - 1))
      .map(([a, b]) => ({ start: Math.min(a, b), end: Math.max(a, b) + 1 }));
    const edges = fc
      .tuple(
        fc.constantFrom(0, 1, 2, 3),
        fc.constantFrom(0, 1, 2, 3),
        fc.constantFrom(-1, 0, 1),
        fc.constantFrom(-1, 0, 1),
      )
      .map(([a, b, da, db]) => ({ start: a * SEGMENT_BYTES + da, end: b * SEGMENT_BYTES + db }))
      .filter(({ start, end }) => start >= 0 && start < end);
    const sizes = fc.array(fc.oneof(fc.integer({ min: 1, max: 99_999 }), fc.constantFrom(65552, 131104, 48)), {
      minLength: 1,
      maxLength: 4,
    });
    await fc.assert(
      fc.asyncProperty(fc.oneof(ranges, edges), sizes, fc.constantFrom(1, 2, 16), async (range, chunkSizes, batch) => {
        const span = segmentSpan({ plainBytes: plaintext.length }, range);
        const { code, released } = await stream({
          bytes: sealed.subarray(span.sealedStart, span.sealedEnd),
          sizes: chunkSizes,
          opener: opener({ firstSegment: span.firstSegment }),
          segmentCount: span.segmentCount,
          skip: span.skip,
          take: range.end - range.start,
          withHeader: false,
          batchBytes: batch * SEGMENT_BYTES,
        });
        expect(code).toBe('success');
        expect(released.equals(plaintext.subarray(range.start, range.end))).toBe(true);
      }),
      { numRuns: 100 },
    );
  });

  it.each([1, 7, 47, 48, 49, 65536, 65600, 10 ** 6])(
    'checks and drops the part header, in chunks of %d bytes',
    async (size) => {
      const short = seal(pattern(size < 100 ? 100 : plaintext.length));
      const plainBytes = size < 100 ? 100 : plaintext.length;
      const at = {
        opener: opener({ salt: short.salt, plainBytes }),
        segmentCount: segmentsOf(plainBytes),
        take: plainBytes,
      };
      const { code, released } = await stream({ bytes: short.sealed, sizes: [size], ...at });
      expect(code).toBe('success');
      expect(released.equals(pattern(plainBytes))).toBe(true);
      const changed = { ...at, opener: opener({ salt: short.salt, plainBytes }) };
      expect(await stream({ bytes: flipped(short.sealed, 20), sizes: [size], ...changed })).toEqual({
        code: 'PART_HEADER_REFUSED',
        released: Buffer.alloc(0),
      });
    },
  );

  it('of an empty part is empty, and still checked', async () => {
    const empty = seal(Buffer.alloc(0));
    const at = () => ({ opener: opener({ salt: empty.salt, plainBytes: 0 }), segmentCount: 1, take: 0 });
    expect(await stream({ bytes: empty.sealed, ...at() })).toEqual({ code: 'success', released: Buffer.alloc(0) });
    expect((await stream({ bytes: flipped(empty.sealed, 50), ...at() })).code).toBe('SEGMENT_REFUSED');
    expect((await stream({ bytes: empty.sealed.subarray(0, 48), ...at() })).code).toBe('LENGTH_MISMATCH');
  });

  it('cut at any place is refused, and releases nothing beyond the last authentic batch', async () => {
    const cuts = [0, 1, 47, 48, 49, sealed.length - 1];
    for (let i = 0; i <= 3; i++) cuts.push(...[-17, -16, -1, 0, 1, 16].map((d) => 48 + i * SEALED_SEGMENT_BYTES + d));
    const tried = cuts.filter((cut) => cut >= 0 && cut < sealed.length);
    for (const cut of tried) {
      const { code, released } = await stream({ bytes: sealed.subarray(0, cut) });
      expect(code).toBe('LENGTH_MISMATCH');
      const authentic = Math.max(0, Math.floor((cut - 48) / SEALED_SEGMENT_BYTES)) * SEGMENT_BYTES;
      expect(released.length).toBeLessThanOrEqual(authentic);
      expect(released.equals(plaintext.subarray(0, released.length))).toBe(true);
    }
    expect(tried.length).toBeGreaterThan(20);
  });

  it('with bytes after its end is refused before its last batch', async () => {
    for (const extra of [1, 16, 17, SEALED_SEGMENT_BYTES]) {
      const { code, released } = await stream({ bytes: Buffer.concat([sealed, Buffer.alloc(extra)]) });
      expect(code).toBe('LENGTH_MISMATCH');
      expect(released.length).toBe(3 * SEGMENT_BYTES);
    }
  });

  it('changed in a segment releases the segments before it only', async () => {
    for (const index of [0, 1, 2, 3]) {
      const changed = flipped(sealed, 48 + index * SEALED_SEGMENT_BYTES + 5);
      const { code, released } = await stream({ bytes: changed });
      expect(code).toBe('SEGMENT_REFUSED');
      expect(released.equals(plaintext.subarray(0, index * SEGMENT_BYTES))).toBe(true);
    }
  });

  it('is opened to its end, even where fewer bytes are wanted', async () => {
    const changed = flipped(sealed, sealed.length - 1);
    const { code, released } = await stream({ bytes: changed, take: 10 });
    expect(code).toBe('SEGMENT_REFUSED');
    expect(released.equals(plaintext.subarray(0, 10))).toBe(true);
  });

  it('passes on the failure of its source', async () => {
    const failure = new Error('connection reset');
    async function* failing(): AsyncGenerator<Buffer> {
      yield sealed.subarray(0, 48 + SEALED_SEGMENT_BYTES);
      throw failure;
    }
    const run = stream({ bytes: sealed, sealed: failing() });
    await expect(run).rejects.toBe(failure);
  });

  it('closes its source when it is given up, and when it refuses', async () => {
    let closed = 0;
    async function* source(): AsyncGenerator<Buffer> {
      try {
        yield sealed.subarray(0, 48 + SEALED_SEGMENT_BYTES + 1);
        yield Buffer.alloc(2 * SEALED_SEGMENT_BYTES);
      } finally {
        closed += 1;
      }
    }
    const whole = { withHeader: true, segmentCount: 4, skip: 0, take: plaintext.length, batchBytes: SEGMENT_BYTES };
    const given = openStream({ opener: opener(), sealed: source(), ...whole });
    await given.next();
    await given.return(undefined);
    expect(closed).toBe(1);
    expect((await stream({ bytes: sealed, sealed: source() })).code).toBe('SEGMENT_REFUSED');
    expect(closed).toBe(2);
  });

  it('refuses to be asked for what the part does not have', async () => {
    const asks = [
      { segmentCount: 5 },
      { segmentCount: 0 },
      { segmentCount: 1.5 },
      { take: plaintext.length + 1 },
      { skip: 1 },
      { skip: -1 },
      { take: -1 },
      { batchBytes: 1000 },
      { batchBytes: 0 },
      { opener: opener({ firstSegment: 1 }), segmentCount: 3, take: 1 },
    ];
    for (const ask of asks) await expect(stream({ bytes: sealed, ...ask })).rejects.toThrow(RangeError);
  });
});
