/**
 * Opens parts, whole or from any segment on, and streams of them (FORMAT.md section 6). Plaintext leaves only after its tag
 * was checked.
 */
import { Buffer } from 'node:buffer';
import { FormatError } from './errors.ts';
import { PART_HEADER_BYTES, PART_MAGIC, SEALED_SEGMENT_BYTES, SEGMENT_BYTES, segmentsOf, TAG_BYTES } from './layout.ts';
import { regroup } from './regroup.ts';
import { type PartIdentity, partPurpose } from './seal.ts';
import { RunOpener, type RunPosition } from './segments.ts';

export class PartOpener {
  readonly #run: RunOpener;
  readonly #salt: Buffer;
  readonly #firstSegment: number;

  /** `salt` and `plainBytes` come from opened attributes or an opened part table. RangeError for a segment beyond them. */
  constructor(o: PartIdentity & RunPosition) {
    this.#run = new RunOpener(partPurpose(o), { ...o, error: 'SEGMENT_REFUSED' });
    this.#salt = o.salt;
    this.#firstSegment = o.firstSegment ?? 0;
  }

  /**
   * Opens the next whole segments, all or none, into a new buffer. The last one of the part may be short.
   * @throws FormatError SEGMENT_REFUSED; LENGTH_MISMATCH for a length that is not whole segments of this part.
   */
  open(sealed: Buffer): Buffer {
    return this.#run.open(sealed);
  }

  /** The same into new buffers, one for each segment, which saves a copy. None is given out before all tags were checked. */
  openPieces(sealed: Buffer): Buffer[] {
    return this.#run.openPieces(sealed);
  }

  /**
   * Checks the part's own header against the authenticated salt.
   * @throws FormatError PART_HEADER_REFUSED. RangeError for an opener that does not start at the part's first segment.
   */
  checkHeader(header: Buffer): void {
    if (this.#firstSegment !== 0) throw new RangeError('Only a reader of the first segment meets the part header.');
    if (!parsePartHeader(header).equals(this.#salt)) throw new FormatError('PART_HEADER_REFUSED');
  }

  /** Sealed bytes of the next segments. RangeError when the part has fewer. */
  sealedBytes(segmentCount: number): number {
    const bytes = this.#run.sealedBytes(segmentCount);
    const isWithin = Number.isSafeInteger(segmentCount) && segmentCount >= 1;
    if (!isWithin || Math.ceil(bytes / SEALED_SEGMENT_BYTES) !== segmentCount) {
      throw new RangeError('The part does not have that many segments.');
    }
    return bytes;
  }
}

/** The salt, 32 bytes. @throws FormatError PART_HEADER_REFUSED. */
export function parsePartHeader(header: Buffer): Buffer {
  const hasMagic = header.subarray(0, PART_MAGIC.length).equals(PART_MAGIC);
  if (header.length !== PART_HEADER_BYTES || !hasMagic) throw new FormatError('PART_HEADER_REFUSED');
  return header.subarray(PART_MAGIC.length);
}

/** A stretch of plaintext within whole segments. */
export interface SegmentRange {
  /** Stands at the first of the segments. */
  readonly opener: PartOpener;
  /** The sealed bytes start with the part header. */
  readonly withHeader: boolean;
  readonly segmentCount: number;
  /** Bytes of plaintext to leave out at the front, and to give out after that. */
  readonly skip: number;
  readonly take: number;
}

/**
 * The plaintext of a stretch whose sealed bytes are at hand. All segments are opened and checked, whatever `take` is, before
 * any is given out.
 * @throws FormatError LENGTH_MISMATCH, PART_HEADER_REFUSED, SEGMENT_REFUSED. RangeError as `openStream`
 */
export function openSegments(o: SegmentRange & { readonly sealed: Buffer }): Buffer[] {
  const totalBytes = sealedBytesOf(o);
  const segments = o.withHeader ? o.sealed.subarray(PART_HEADER_BYTES) : o.sealed;
  if (o.withHeader) o.opener.checkHeader(o.sealed.subarray(0, PART_HEADER_BYTES));
  if (segments.length !== totalBytes) throw lengthMismatch();
  return [...new Window(o).of(o.opener.openPieces(segments))];
}

/**
 * The same as the sealed bytes come; the last batch is released only after the source has ended.
 * @throws FormatError LENGTH_MISMATCH (the source ends early or has extra bytes), PART_HEADER_REFUSED, SEGMENT_REFUSED.
 * RangeError when segments or bytes are asked for that the part does not have.
 */
export async function* openStream(
  o: SegmentRange & { readonly sealed: AsyncIterable<Buffer>; readonly batchBytes: number },
): AsyncGenerator<Buffer> {
  if (o.batchBytes <= 0 || o.batchBytes % SEGMENT_BYTES !== 0) throw new RangeError('A batch is whole segments.');
  const totalBytes = sealedBytesOf(o);
  const batchBytes = segmentsOf(o.batchBytes) * SEALED_SEGMENT_BYTES;
  const source = o.withHeader ? withoutHeader(o.sealed, o.opener) : o.sealed;
  const wanted = new Window(o);
  for await (const { bytes } of regroup({ source, totalBytes, batchBytes, mismatch: lengthMismatch })) {
    yield* wanted.of(o.opener.openPieces(bytes));
  }
}

/** Of the segments, without the part header. */
function sealedBytesOf(o: SegmentRange): number {
  const bytes = o.opener.sealedBytes(o.segmentCount);
  if (o.skip < 0 || o.take < 0 || o.skip + o.take > bytes - o.segmentCount * TAG_BYTES) {
    throw new RangeError('The range is not inside the segments.');
  }
  return bytes;
}

/** The part of the plaintext that is given out, while plaintext comes piece by piece. */
class Window {
  #skip: number;
  #take: number;

  constructor(o: Pick<SegmentRange, 'skip' | 'take'>) {
    this.#skip = o.skip;
    this.#take = o.take;
  }

  *of(pieces: readonly Buffer[]): Generator<Buffer> {
    for (const piece of pieces) {
      const wanted = piece.subarray(this.#skip, this.#skip + this.#take);
      this.#skip = Math.max(0, this.#skip - piece.length);
      this.#take -= wanted.length;
      if (wanted.length > 0) yield wanted;
    }
  }
}

/** Ends early when the source ends early. The segments are then missing as well, which `regroup` detects. */
async function* withoutHeader(sealed: AsyncIterable<Buffer>, opener: PartOpener): AsyncGenerator<Buffer> {
  const header = Buffer.allocUnsafe(PART_HEADER_BYTES);
  let filled = 0;
  for await (const chunk of sealed) {
    if (filled === PART_HEADER_BYTES) {
      yield chunk;
      continue;
    }
    const taken = chunk.copy(header, filled);
    filled += taken;
    if (filled === PART_HEADER_BYTES) opener.checkHeader(header);
    if (taken < chunk.length) yield chunk.subarray(taken);
  }
}

function lengthMismatch(): FormatError {
  return new FormatError('LENGTH_MISMATCH');
}
