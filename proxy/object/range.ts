/** Byte ranges over plaintext (RFC 9110 section 14; S3 serves one range, and ignores what it cannot parse). */
import { S3Error } from '../errors.ts';

/** Half open: bytes [start, end). */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/**
 * The range that a Range header asks of an object of `size` bytes; undefined when the header is absent, malformed, in another
 * unit or names several ranges, which all mean the whole object.
 * @throws S3Error InvalidRange when no byte of the object is in it
 */
export function resolveRange(header: string | undefined, size: number): ByteRange | undefined {
  const [first, last] = boundsOf(header) ?? ['', ''];
  if (first === '' && last === '') return undefined;
  if (first === '') {
    const suffix = Number(last);
    if (suffix === 0) throw unsatisfiable(header, size);
    // The end of an empty object is the whole of it: S3 answers 200, which readers of tails rely on.
    return size === 0 ? undefined : { start: Math.max(size - suffix, 0), end: size };
  }
  const start = Number(first);
  const end = last === '' ? size : Math.min(Number(last) + 1, size);
  if (last !== '' && Number(last) < start) return undefined;
  if (start >= size) throw unsatisfiable(header, size);
  return { start, end };
}

/** First and last position as digits, each perhaps ''. Cut apart and not matched: white space makes an expression backtrack. */
function boundsOf(header: string | undefined): readonly [first: string, last: string] | undefined {
  const [unit = '', range = '', ...rest] = (header ?? '').split('=');
  const [first = '', last, ...more] = range.split('-').map((position) => position.trim());
  if (unit.trim().toLowerCase() !== 'bytes' || rest.length > 0 || last === undefined || more.length > 0)
    return undefined;
  return /^\d*$/.test(first) && /^\d*$/.test(last) ? [first, last] : undefined;
}

export function contentRange(range: ByteRange, size: number): string {
  return `bytes ${range.start}-${range.end - 1}/${size}`;
}

/** @param header the range asked for, as sent; a part that is empty asks for none */
export function unsatisfiable(header: string | undefined, size: number): S3Error {
  return new S3Error('InvalidRange', undefined, {
    details: { ...(header === undefined ? {} : { RangeRequested: header }), ActualObjectSize: String(size) },
    headers: { 'Content-Range': `bytes */${size}` },
  });
}
