/** Protects: the CRC of a concatenation, computed from the CRCs of its pieces, is that of its bytes, however they are cut. */
import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type CombinableCrc, combineCrcs } from '../../../proxy/body/crc-combine.ts';
import { referenceChecksum } from '../../helpers/reference-checksums.ts';

const NAMES: readonly CombinableCrc[] = ['CRC32', 'CRC32C', 'CRC64NVME'];
const crcOf = (name: CombinableCrc, data: Buffer) => Buffer.from(referenceChecksum(name, data), 'base64');
const piecesOf = (name: CombinableCrc, pieces: readonly Buffer[]) =>
  pieces.map((piece) => ({ crc: crcOf(name, piece), bytes: piece.length }));

describe.each(NAMES)('%s', (name) => {
  it('of any pieces is that of the whole', () => {
    const pieces = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 12 });
    fc.assert(
      fc.property(pieces, (arrays) => {
        const buffers = arrays.map((array) => Buffer.from(array));
        const whole = Buffer.concat(buffers);
        return combineCrcs(name, piecesOf(name, buffers)).equals(crcOf(name, whole));
      }),
      { numRuns: 300 },
    );
  });

  it('of pieces of equal and odd lengths, in the order given', () => {
    const source = randomBytes(200_001);
    const lengths = [0, 65_536, 65_536, 1, 65_536, 3392];
    const starts = lengths.map((_, at) => lengths.slice(0, at).reduce((sum, length) => sum + length, 0));
    const pieces = lengths.map((length, at) => source.subarray(starts[at], (starts[at] ?? 0) + length));
    expect(pieces.reduce((sum, piece) => sum + piece.length, 0)).toBe(200_001);
    expect(combineCrcs(name, piecesOf(name, pieces)).equals(crcOf(name, source))).toBe(true);
    const [first, second, ...rest] = pieces.filter(({ length }) => length > 0);
    if (first === undefined || second === undefined) throw new Error('there are five pieces');
    expect(combineCrcs(name, piecesOf(name, [second, first, ...rest])).equals(crcOf(name, source))).toBe(false);
  });

  it('of the longest object: 10,000 parts of 5 GiB cost the same as few', () => {
    const zero = { crc: crcOf(name, Buffer.alloc(1)), bytes: 5 * 1024 ** 3 };
    const half = combineCrcs(
      name,
      Array.from({ length: 5_000 }, () => zero),
    );
    const whole = combineCrcs(
      name,
      Array.from({ length: 10_000 }, () => zero),
    );
    const joined = combineCrcs(name, [
      { crc: half, bytes: 5_000 * zero.bytes },
      { crc: half, bytes: 5_000 * zero.bytes },
    ]);
    expect(joined.equals(whole)).toBe(true);
  });

  it('of no piece is that of nothing, with its full width', () => {
    expect(combineCrcs(name, [])).toEqual(crcOf(name, Buffer.alloc(0)));
  });
});
