/**
 * Protects sealing: a salt and a counter of its own for each part, nothing after the last segment, and a stream whose last
 * bytes are released only when its source has ended well.
 */
import { Buffer } from 'node:buffer';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Dek } from '../../crypto/dek.ts';
import { PART_MAGIC, SEGMENT_BYTES, sealedPartBytes } from '../../crypto/layout.ts';
import { PartOpener } from '../../crypto/open.ts';
import { PartSealer, sealStream } from '../../crypto/seal.ts';
import { codeOf } from './expect-code.ts';
import { pattern } from './vectors/build.ts';

const dek = Dek.generate();
const part = { dek, layout: 1, partNumber: 0 } as const;
const whole = pattern(3 * SEGMENT_BYTES + 5);

async function* chunksOf(data: Buffer, sizes: readonly number[]): AsyncGenerator<Buffer> {
  let at = 0;
  for (let i = 0; at < data.length; i++) {
    const end = at + (sizes[i % sizes.length] ?? data.length);
    yield data.subarray(at, end);
    at = end;
  }
}

async function collect(stream: AsyncIterable<Buffer>): Promise<Buffer[]> {
  const out: Buffer[] = [];
  for await (const chunk of stream) out.push(chunk);
  return out;
}

function opened(sealer: PartSealer, sealed: Buffer, plainBytes: number): Buffer {
  return new PartOpener({ ...part, salt: sealer.salt, plainBytes }).open(sealed.subarray(48));
}

describe('a part sealer', () => {
  it.each([0, 1, 65535, 65536, 65537, 131072, 2 ** 20 - 1, 2 ** 20, 2 ** 20 + 1])('seals %d bytes', (bytes) => {
    const sealer = new PartSealer(part);
    const plaintext = pattern(bytes);
    const sealed = sealer.seal(plaintext, { last: true });
    expect(sealed).toHaveLength(sealedPartBytes(bytes));
    expect(sealed.subarray(0, 16)).toEqual(PART_MAGIC);
    expect(sealed.subarray(16, 48)).toEqual(sealer.salt);
    expect(opened(sealer, sealed, bytes).equals(plaintext)).toBe(true);
  });

  it('gives the same part in one piece or in several', () => {
    const sealer = new PartSealer(part);
    const pieces = [
      sealer.seal(whole.subarray(0, SEGMENT_BYTES), { last: false }),
      sealer.seal(whole.subarray(SEGMENT_BYTES, 3 * SEGMENT_BYTES), { last: false }),
      sealer.seal(whole.subarray(3 * SEGMENT_BYTES), { last: true }),
    ];
    expect(opened(sealer, Buffer.concat(pieces), whole.length).equals(whole)).toBe(true);
  });

  it('throws once it has ended', () => {
    for (const bytes of [0, 7, SEGMENT_BYTES]) {
      const sealer = new PartSealer(part);
      sealer.seal(whole.subarray(0, bytes), { last: true });
      expect(() => sealer.seal(whole.subarray(0, bytes), { last: true })).toThrow(/finished/);
      expect(() => sealer.seal(whole.subarray(0, SEGMENT_BYTES), { last: false })).toThrow(/finished/);
    }
  });

  it('refuses a short segment that is not the last, and an empty one after others', () => {
    const sealer = new PartSealer(part);
    for (const bytes of [0, 1, SEGMENT_BYTES - 1, SEGMENT_BYTES + 1]) {
      expect(() => sealer.seal(whole.subarray(0, bytes), { last: false })).toThrow(RangeError);
    }
    const first = sealer.seal(whole.subarray(0, SEGMENT_BYTES), { last: false });
    expect(() => sealer.seal(Buffer.alloc(0), { last: true })).toThrow(RangeError);
    // What was refused moved no counter and lost no header.
    const rest = sealer.seal(Buffer.from('end'), { last: true });
    const plaintext = opened(sealer, Buffer.concat([first, rest]), SEGMENT_BYTES + 3);
    expect(plaintext.equals(Buffer.concat([whole.subarray(0, SEGMENT_BYTES), Buffer.from('end')]))).toBe(true);
  });

  it('has a salt and ciphertext of its own, for the same part and bytes too', () => {
    const sealers = Array.from({ length: 200 }, () => new PartSealer(part));
    expect(new Set(sealers.map((sealer) => sealer.salt.toString('hex'))).size).toBe(200);
    const sealed = sealers.map((sealer) => sealer.seal(Buffer.alloc(64), { last: true }).toString('hex', 48));
    expect(new Set(sealed).size).toBe(200);
  });

  it('does not take another salt from outside', () => {
    const sealer = new PartSealer(part);
    sealer.salt.fill(0);
    const sealed = sealer.seal(Buffer.from('x'), { last: true });
    expect(sealer.salt.equals(Buffer.alloc(32))).toBe(false);
    expect(sealed.subarray(16, 48)).toEqual(sealer.salt);
    expect(Object.keys(sealer)).toEqual([]);
  });

  it('leaves its input as it was, and returns memory of its own', () => {
    const input = Buffer.from('input');
    const sealer = new PartSealer(part);
    const sealed = sealer.seal(input, { last: true });
    expect(input.toString()).toBe('input');
    input.fill(0);
    expect(opened(sealer, sealed, 5).toString()).toBe('input');
  });

  it.each([
    [0, 1],
    [1, 1],
    [2, 0],
    [2, 10_001],
    [2, -1],
    [2, 1.5],
  ] as const)('of layout %d has no part number %d', (layout, partNumber) => {
    expect(() => new PartSealer({ dek, layout, partNumber })).toThrow(RangeError);
  });
});

describe('a sealed stream', () => {
  it('is the sealed part, whatever the chunks of its source', async () => {
    const sizes = fc.array(fc.oneof(fc.integer({ min: 1, max: 100_000 }), fc.constantFrom(65536, 131072, 262144)), {
      minLength: 1,
      maxLength: 5,
    });
    const lengths = fc.oneof(fc.integer({ min: 0, max: whole.length }), fc.constantFrom(0, 1, 65536, 131072, 196608));
    await fc.assert(
      fc.asyncProperty(lengths, sizes, fc.constantFrom(1, 2, 16), async (length, chunkSizes, segments) => {
        const plaintext = whole.subarray(0, length);
        const sealer = new PartSealer(part);
        const source = chunksOf(plaintext, chunkSizes);
        const batchBytes = segments * SEGMENT_BYTES;
        const sealed = Buffer.concat(
          await collect(sealStream({ sealer, plaintext: source, plainBytes: length, batchBytes })),
        );
        expect(sealed.length).toBe(sealedPartBytes(length));
        expect(opened(sealer, sealed, length).equals(plaintext)).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  it('copes with a source that uses its memory again', async () => {
    async function* reusing(): AsyncGenerator<Buffer> {
      const memory = Buffer.alloc(SEGMENT_BYTES);
      for (let at = 0; at < whole.length; at += SEGMENT_BYTES) {
        const length = whole.copy(memory, 0, at, at + SEGMENT_BYTES);
        yield memory.subarray(0, length);
      }
      memory.fill(0);
    }
    const sealer = new PartSealer(part);
    const stream = sealStream({ sealer, plaintext: reusing(), plainBytes: whole.length, batchBytes: SEGMENT_BYTES });
    expect(opened(sealer, Buffer.concat(await collect(stream)), whole.length).equals(whole)).toBe(true);
  });

  it.each([1, SEGMENT_BYTES, SEGMENT_BYTES + 1, 2 * SEGMENT_BYTES, 2 * SEGMENT_BYTES + 1])(
    'of %d bytes is incomplete when its source fails at the very end',
    async (plainBytes) => {
      const failure = new Error('The checksum is another.');
      async function* failing(): AsyncGenerator<Buffer> {
        yield* chunksOf(whole.subarray(0, plainBytes), [65536]);
        throw failure;
      }
      const sealer = new PartSealer(part);
      const released: Buffer[] = [];
      const run = async () => {
        const stream = sealStream({ sealer, plaintext: failing(), plainBytes, batchBytes: SEGMENT_BYTES });
        for await (const chunk of stream) released.push(chunk);
      };
      await expect(run()).rejects.toBe(failure);
      const bytes = released.reduce((sum, chunk) => sum + chunk.length, 0);
      expect(sealedPartBytes(plainBytes) - bytes).toBeGreaterThanOrEqual(17);
      expect(codeOf(() => opened(sealer, Buffer.concat([Buffer.alloc(48), ...released]), plainBytes))).toBe(
        'LENGTH_MISMATCH',
      );
    },
  );

  it('seals all but the last batch before the source has ended', async () => {
    let asked = 0;
    async function* counting(): AsyncGenerator<Buffer> {
      for (let at = 0; at < whole.length; at += SEGMENT_BYTES) {
        asked += 1;
        yield whole.subarray(at, at + SEGMENT_BYTES);
      }
    }
    const sealer = new PartSealer(part);
    const stream = sealStream({ sealer, plaintext: counting(), plainBytes: whole.length, batchBytes: SEGMENT_BYTES });
    await stream.next();
    expect(asked).toBe(1);
    await stream.return(undefined);
  });

  it('ends its source when it is given up', async () => {
    let isClosed = false;
    async function* source(): AsyncGenerator<Buffer> {
      try {
        while (true) yield Buffer.alloc(SEGMENT_BYTES);
      } finally {
        isClosed = true;
      }
    }
    const sealer = new PartSealer(part);
    const stream = sealStream({
      sealer,
      plaintext: source(),
      plainBytes: 10 * SEGMENT_BYTES,
      batchBytes: SEGMENT_BYTES,
    });
    await stream.next();
    await stream.return(undefined);
    expect(isClosed).toBe(true);
  });

  it.each([
    [10, 9],
    [10, 11],
    [0, 1],
    [SEGMENT_BYTES, SEGMENT_BYTES - 1],
    [SEGMENT_BYTES, SEGMENT_BYTES + 1],
    [2 * SEGMENT_BYTES, SEGMENT_BYTES],
    [2 * SEGMENT_BYTES + 1, 2 * SEGMENT_BYTES],
    [2 * SEGMENT_BYTES, 2 * SEGMENT_BYTES + 1],
  ])('announced as %d bytes is never completed with %d', async (plainBytes, actual) => {
    const sealer = new PartSealer(part);
    const released: Buffer[] = [];
    const run = async () => {
      const plaintext = chunksOf(whole.subarray(0, actual), [50_000]);
      for await (const chunk of sealStream({ sealer, plaintext, plainBytes, batchBytes: SEGMENT_BYTES }))
        released.push(chunk);
    };
    await expect(run()).rejects.toThrow(RangeError);
    const sealed = Buffer.concat(released);
    expect(sealed.length).toBeLessThan(sealedPartBytes(plainBytes));
    // Nor is it a complete part of the bytes that there were.
    const isComplete =
      sealed.length === sealedPartBytes(actual) && codeOf(() => opened(sealer, sealed, actual)) === 'success';
    expect(isComplete).toBe(false);
  });

  it.each([0, -SEGMENT_BYTES, 1000, SEGMENT_BYTES + 1])('has no batches of %d bytes', async (batchBytes) => {
    const stream = sealStream({
      sealer: new PartSealer(part),
      plaintext: chunksOf(whole, [9]),
      plainBytes: 9,
      batchBytes,
    });
    await expect(stream.next()).rejects.toThrow(RangeError);
  });
});
