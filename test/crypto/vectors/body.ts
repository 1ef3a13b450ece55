/**
 * Vectors whose parts are refused.
 */
import { Buffer } from 'node:buffer';
import { SEALED_SEGMENT_BYTES } from '../../../crypto/layout.ts';
import { flipped } from '../forge.ts';
import { bad, bytes, single, twoParts, UPLOAD, type VectorCase } from './build.ts';

export const BODY_CASES: readonly VectorCase[] = [
  badBody('body-empty', 'LENGTH_MISMATCH', 'No body.', 9, () => Buffer.alloc(0)),
  badBody('body-cut', 'LENGTH_MISMATCH', 'The last byte is missing.', 9, (b) => b.subarray(0, -1)),
  badBody('body-cut-segment', 'LENGTH_MISMATCH', 'The last segment is missing.', 65537, (b) => b.subarray(0, -17)),
  badBody('body-extended', 'LENGTH_MISMATCH', 'A byte more.', 9, (b) => bytes(b, Buffer.of(0))),
  badBody('part-magic', 'PART_HEADER_REFUSED', 'A bit of the magic.', 9, (b) => flipped(b, 15)),
  badBody('part-salt', 'PART_HEADER_REFUSED', 'A bit of the part salt.', 9, (b) => flipped(b, 47)),
  badBody('segment-first', 'SEGMENT_REFUSED', 'The first bit of the ciphertext.', 9, (b) => flipped(b, 48)),
  badBody('segment-tag', 'SEGMENT_REFUSED', 'The last bit of the last tag.', 9, (b) => flipped(b, b.length - 1)),
  badBody('segment-empty-tag', 'SEGMENT_REFUSED', 'The tag of an empty object.', 0, (b) => flipped(b, 48)),
  badBody('segments-swapped', 'SEGMENT_REFUSED', 'Two whole segments change places.', 131073, (b) =>
    bytes(b.subarray(0, 48), segment(b, 1), segment(b, 0), b.subarray(48 + 2 * SEALED_SEGMENT_BYTES)),
  ),
  badBody('segment-duplicated', 'SEGMENT_REFUSED', 'The second segment is the first again.', 131073, (b) =>
    bytes(b.subarray(0, 48), segment(b, 0), segment(b, 0), b.subarray(48 + 2 * SEALED_SEGMENT_BYTES)),
  ),
  bad('body-of-another', 'PART_HEADER_REFUSED', 'The body of another object of the same length.', () => ({
    header: single(0, 9).header,
    body: single(0, 9).body,
  })),
  bad('part-older-attempt', 'PART_HEADER_REFUSED', 'An older attempt at the same part under the same data key.', () => {
    const older = twoParts({ dataKey: UPLOAD });
    const newer = twoParts({ dataKey: UPLOAD });
    return { header: newer.header, body: bytes(older.parts[0], newer.parts[1], newer.footer) };
  }),
  bad('part-older-segments', 'SEGMENT_REFUSED', 'Segments of an older attempt behind the newer part header.', () => {
    const older = twoParts({ dataKey: UPLOAD });
    const newer = twoParts({ dataKey: UPLOAD });
    const spliced = bytes(newer.parts[0]?.subarray(0, 48), older.parts[0]?.subarray(48));
    return { header: newer.header, body: bytes(spliced, newer.parts[1], newer.footer) };
  }),
  bad('parts-swapped', 'PART_HEADER_REFUSED', 'Two parts of one length change places.', () => {
    const object = twoParts();
    return { header: object.header, body: bytes(object.parts[1], object.parts[0], object.footer) };
  }),
  bad('part-dropped', 'LENGTH_MISMATCH', 'The first part is missing.', () => {
    const object = twoParts();
    return { header: object.header, body: bytes(object.parts[1], object.footer) };
  }),
];

function badBody(
  file: string,
  result: string,
  comment: string,
  size: number,
  change: (b: Buffer) => Buffer,
): VectorCase {
  return bad(file, result, comment, () => {
    const { header, body } = single(0, size);
    return { header, body: change(body) };
  });
}

function segment(body: Buffer, index: number): Buffer {
  return body.subarray(48 + index * SEALED_SEGMENT_BYTES, 48 + (index + 1) * SEALED_SEGMENT_BYTES);
}
