/**
 * Sizes and offsets of sealed bytes, as pure functions with inverses (FORMAT.md sections 2 and 6).
 */
import { Buffer } from 'node:buffer';
import { FormatError } from './errors.ts';

/** Version of the format that this code reads and writes: the first line of FORMAT.md. */
export const FORMAT_VERSION = 1;
/** Value of `enc-algo`. */
export const ALGORITHM = 'sealgate-1';

/** 0 small: all attributes in the header. 1 single part with a footer. 2 multipart with a footer. */
export type Layout = 0 | 1 | 2;

/** Bytes of plaintext in every segment but the last of a part. */
export const SEGMENT_BYTES = 65536;
/** Bytes of an AES-GCM tag. */
export const TAG_BYTES = 16;
export const SEALED_SEGMENT_BYTES = SEGMENT_BYTES + TAG_BYTES;
/** Segments of one part: the nonce's counter stays below it. */
export const MAX_SEGMENTS = 2 ** 32;
/** Highest part number of a multipart object. */
export const MAX_PART_NUMBER = 10_000;

// 8e, a name, CR LF ^Z LF: 7-bit channels, line-end conversion and text tools each damage it visibly, as in PNG.
const MAGIC = `\x8eSEALGATE\r\n\x1a\n`;
/** First 16 bytes of every part, and so of every sealed body. */
export const PART_MAGIC: Buffer = Buffer.from(`${MAGIC}PT\x01`, 'latin1');
/** First 16 bytes of the locator that ends a body with a footer. */
export const LOCATOR_MAGIC: Buffer = Buffer.from(`${MAGIC}FT\x01`, 'latin1');
/** Magic and salt. */
export const PART_HEADER_BYTES = 48;
/** Magic, length of the sealed attributes, length of the sealed part table. */
export const LOCATOR_BYTES = 24;

/** Segments of a run of `plainBytes`: at least one, the empty segment. */
export function segmentsOf(plainBytes: number): number {
  checkSize(plainBytes);
  return Math.max(1, Math.ceil(plainBytes / SEGMENT_BYTES));
}

/** Bytes of sealed segments, without a part header. */
export function sealedRunBytes(plainBytes: number): number {
  return plainBytes + TAG_BYTES * segmentsOf(plainBytes);
}

/** Bytes of a whole sealed part: header and segments. */
export function sealedPartBytes(plainBytes: number): number {
  return PART_HEADER_BYTES + sealedRunBytes(plainBytes);
}

/**
 * Inverse of `sealedPartBytes`.
 * @throws FormatError LENGTH_MISMATCH when no part has that many bytes.
 */
export function plainPartBytes(sealedBytes: number): number {
  const run = sealedBytes - PART_HEADER_BYTES;
  const segments = Math.ceil(run / SEALED_SEGMENT_BYTES);
  const plain = run - TAG_BYTES * segments;
  if (!Number.isSafeInteger(sealedBytes) || segments < 1 || segments > MAX_SEGMENTS || plain < 0) {
    throw new FormatError('LENGTH_MISMATCH');
  }
  if (sealedPartBytes(plain) !== sealedBytes) throw new FormatError('LENGTH_MISMATCH');
  return plain;
}

export interface SegmentSpan {
  readonly firstSegment: number;
  readonly segmentCount: number;
  /** Offset of the first sealed byte, counted from the part's first byte. */
  readonly sealedStart: number;
  /** Offset after the last sealed byte. */
  readonly sealedEnd: number;
  /** Bytes of plaintext before `start` in the first segment. */
  readonly skip: number;
}

/**
 * Which segments hold plaintext [start, end) of a part, and where they lie in the sealed part. The empty range is legal in
 * an empty part only, and names its one empty segment.
 * @throws RangeError for a range that is empty or not inside the part.
 */
export function segmentSpan(
  part: { readonly plainBytes: number },
  range: { readonly start: number; readonly end: number },
): SegmentSpan {
  const { start, end } = range;
  const isWholeEmptyPart = part.plainBytes === 0 && start === 0 && end === 0;
  const isInside = Number.isSafeInteger(start) && Number.isSafeInteger(end) && start >= 0 && end <= part.plainBytes;
  if (!isWholeEmptyPart && !(isInside && start < end)) throw new RangeError('The range is not inside the part.');
  const firstSegment = Math.floor(start / SEGMENT_BYTES);
  const endSegment = segmentsOf(end);
  return {
    firstSegment,
    segmentCount: endSegment - firstSegment,
    sealedStart: PART_HEADER_BYTES + firstSegment * SEALED_SEGMENT_BYTES,
    sealedEnd: Math.min(PART_HEADER_BYTES + endSegment * SEALED_SEGMENT_BYTES, sealedPartBytes(part.plainBytes)),
    skip: start - firstSegment * SEGMENT_BYTES,
  };
}

function checkSize(plainBytes: number): void {
  if (!Number.isSafeInteger(plainBytes) || plainBytes < 0 || plainBytes > MAX_SEGMENTS * SEGMENT_BYTES) {
    throw new RangeError('A size in bytes is a whole number from 0 to 2^48.');
  }
}
