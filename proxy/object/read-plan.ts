/**
 * Which stored bytes hold a range of plaintext, and how they open: pure arithmetic over authenticated sizes. A range over
 * several parts is one contiguous stretch of the stored object, so one request fetches it.
 */
import type { PartEntry } from '../../crypto/footer.ts';
import { sealedPartBytes, segmentSpan } from '../../crypto/layout.ts';
import type { ByteRange } from './range.ts';

export interface PlannedPart {
  /** 0 in a single PUT, the S3 part number otherwise. */
  readonly partNumber: number;
  readonly salt: Buffer;
  readonly plainBytes: number;
}

/** One part's share of a read. */
export interface ReadPiece extends PlannedPart {
  readonly firstSegment: number;
  readonly segmentCount: number;
  /** The stored bytes of this piece begin with the part's header. */
  readonly withHeader: boolean;
  readonly sealedBytes: number;
  /** Plaintext bytes to drop at the front, and to yield after that. */
  readonly skip: number;
  readonly take: number;
}

export interface ReadPlan {
  /** Offsets in the stored object, half open. */
  readonly sealedStart: number;
  readonly sealedEnd: number;
  readonly pieces: readonly ReadPiece[];
}

export function planRead(parts: readonly PlannedPart[], range: ByteRange): ReadPlan {
  const pieces: ReadPiece[] = [];
  let sealedStart = 0;
  let sealedEnd = 0;
  let plainOffset = 0;
  let sealedOffset = 0;
  for (const part of parts) {
    const plainEnd = plainOffset + part.plainBytes;
    const touched = range.start < plainEnd && range.end > plainOffset;
    // An empty object has one piece: its only tag is still to be checked.
    if (touched || (part.plainBytes === 0 && parts.length === 1)) {
      const within = {
        start: Math.max(0, range.start - plainOffset),
        end: Math.min(part.plainBytes, range.end - plainOffset),
      };
      const piece = planPiece(part, within, { continues: pieces.length > 0 });
      if (pieces.length === 0) sealedStart = sealedOffset + piece.start;
      sealedEnd = sealedOffset + piece.start + piece.piece.sealedBytes;
      pieces.push(piece.piece);
    }
    plainOffset = plainEnd;
    sealedOffset += sealedPartBytes(part.plainBytes);
  }
  return { sealedStart, sealedEnd, pieces };
}

function planPiece(
  part: PlannedPart,
  within: ByteRange,
  o: { continues: boolean },
): { piece: ReadPiece; start: number } {
  const span = segmentSpan({ plainBytes: part.plainBytes }, within);
  const withHeader = o.continues || span.firstSegment === 0;
  const start = withHeader ? 0 : span.sealedStart;
  const piece = {
    ...part,
    firstSegment: span.firstSegment,
    segmentCount: span.segmentCount,
    withHeader,
    sealedBytes: span.sealedEnd - start,
    skip: span.skip,
    take: within.end - within.start,
  };
  return { piece, start };
}

/** Plaintext range of one part, by its number; undefined when there is no such part. */
export function rangeOfPart(table: readonly PartEntry[], number: number): ByteRange | undefined {
  let start = 0;
  for (const part of table) {
    if (part.number === number) return { start, end: start + part.size };
    start += part.size;
  }
  return undefined;
}
