/**
 * How long a stored body is, as a function of its plaintext's length alone, and back (FORMAT.md section 7.5): a listing shows
 * stored lengths, and what this function can invert needs no look-up. Everything else is padded to a length that no plaintext
 * has under this function, and so says of itself that it has to be looked up.
 */
import { MAX_PART_NUMBER, SEGMENT_BYTES, sealedPartBytes, sealedRunBytes } from './layout.ts';

/** Bytes of plaintext of the largest object in layout 0. Beyond it there is a footer. */
export const MAX_SMALL_BYTES = 1024 * 1024;
/** S3's smallest part that is not the last: an object of n bytes has at most floor(n / this) + 1 parts. */
const PART_STEP_BYTES = 5 * 1024 * 1024;
/** Holds everything in a footer that there is once, with two checksums of 64 bytes, beside early attributes. */
const FIXED_BYTES = 400;
/** Holds what a part adds: 48 of its header, 16 of a tag, 122 of the longest row in the part table, and of the table's tags. */
const ROW_BYTES = 187;
/** The longest pad: all the room of an object of the most parts. */
export const MAX_PAD_BYTES = FIXED_BYTES + MAX_PART_NUMBER * ROW_BYTES;

/** Bytes of a stored body of `plainBytes` bytes of plaintext, unless it is an exception. Strictly increasing. */
export function canonicalBytes(plainBytes: number): number {
  if (plainBytes <= MAX_SMALL_BYTES) return sealedPartBytes(plainBytes);
  const rows = Math.min(MAX_PART_NUMBER, Math.floor(plainBytes / PART_STEP_BYTES) + 1);
  return sealedRunBytes(plainBytes) + FIXED_BYTES + ROW_BYTES * rows;
}

/** Inverse of `canonicalBytes`: bytes of plaintext; `undefined` when only the object itself can tell. */
export function plainBytesOf(storedBytes: number): number | undefined {
  if (!Number.isSafeInteger(storedBytes) || storedBytes < canonicalBytes(0)) return undefined;
  const isSmall = storedBytes <= canonicalBytes(MAX_SMALL_BYTES);
  const plainBytes = isSmall ? plainRunBytes(storedBytes - SMALL_OVERHEAD_BYTES) : plainLargeBytes(storedBytes);
  if (plainBytes > MAX_PLAIN_BYTES || plainBytes <= MAX_SMALL_BYTES !== isSmall) return undefined;
  return canonicalBytes(plainBytes) === storedBytes ? plainBytes : undefined;
}

/** The smallest length from `atLeast` on that `plainBytesOf` cannot invert. */
export function lookUpBytes(atLeast: number): number {
  const plainBytes = plainBytesOf(atLeast);
  if (plainBytes === undefined) return atLeast;
  // Lengths follow each other up to the end of a segment, but for the step to another part, which is in front of its last byte.
  const end = Math.max(1, Math.ceil(plainBytes / SEGMENT_BYTES)) * SEGMENT_BYTES;
  const last = plainBytes < end && canonicalBytes(end) > canonicalBytes(end - 1) + 1 ? end - 1 : end;
  return canonicalBytes(last) + 1;
}

/**
 * Bytes of zeros in front of the footer of a body.
 * @param o.unpaddedBytes the whole body without the zeros
 * @param o.lookUp true when the length must not reveal the length of the plaintext
 */
export function padBytes(o: {
  readonly plainBytes: number;
  readonly unpaddedBytes: number;
  readonly lookUp?: boolean | undefined;
}): number {
  const { plainBytes, unpaddedBytes } = o;
  const canonical = canonicalBytes(plainBytes);
  const fits = plainBytes > MAX_SMALL_BYTES && unpaddedBytes <= canonical;
  return (fits && o.lookUp !== true ? canonical : lookUpBytes(unpaddedBytes)) - unpaddedBytes;
}

/** Whether a body of that length and layout may have that much plaintext. */
export function isLengthOf(o: { storedBytes: number; plainBytes: number; hasFooter: boolean }): boolean {
  const told = plainBytesOf(o.storedBytes);
  if (!o.hasFooter) return told === o.plainBytes && o.plainBytes <= MAX_SMALL_BYTES;
  return told === undefined || (told === o.plainBytes && told > MAX_SMALL_BYTES);
}

const MAX_PLAIN_BYTES = 2 ** 48;
const TAG_BYTES = sealedRunBytes(0);
const SMALL_OVERHEAD_BYTES = sealedPartBytes(0) - TAG_BYTES;
/** From one step to another part to the next. */
const SEALED_STEP_BYTES = sealedRunBytes(PART_STEP_BYTES) + ROW_BYTES;

/** What `plainBytes` are in a run, if that many bytes are one. */
function plainRunBytes(runBytes: number): number {
  return Math.max(0, runBytes - TAG_BYTES * Math.max(1, Math.ceil(runBytes / (SEGMENT_BYTES + TAG_BYTES))));
}

function plainLargeBytes(storedBytes: number): number {
  const beyond = storedBytes - FIXED_BYTES - ROW_BYTES;
  const steps = Math.min(MAX_PART_NUMBER - 1, Math.floor(beyond / SEALED_STEP_BYTES));
  const rest = beyond - steps * SEALED_STEP_BYTES;
  return steps * PART_STEP_BYTES + (rest === 0 ? 0 : plainRunBytes(rest));
}
