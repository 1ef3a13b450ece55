/** The Range header as S3 honours it: one range of bytes (RFC 9110 section 14.1.2). */
import { S3Error } from '../../errors.ts';

/** `[start, end)`, bytes. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/**
 * The bytes that a Range header asks for in an object of `size` bytes. Several ranges, other units and malformed ones are
 * ignored, as S3 does: `undefined`, the whole object.
 * The end of an empty object is all of it, too.
 * @throws S3Error InvalidRange when the range is well formed and none of its bytes exist
 */
export function requestedSpan(header: string | undefined, size: number): Span | undefined {
  const match = header === undefined ? null : /^bytes=(\d*)-(\d*)$/.exec(header.trim());
  const [, first = '', last = ''] = match ?? [];
  if (match === null || (first === '' && last === '')) return undefined;
  if (first === '') {
    const suffix = Number(last);
    if (suffix === 0) return unsatisfiable(header, size);
    return size === 0 ? undefined : { start: Math.max(0, size - suffix), end: size };
  }
  const start = Number(first);
  if (last !== '' && Number(last) < start) return undefined;
  if (start >= size) return unsatisfiable(header, size);
  return { start, end: last === '' ? size : Math.min(size, Number(last) + 1) };
}

export function contentRange(span: Span, size: number): string {
  return `bytes ${span.start}-${span.end - 1}/${size}`;
}

function unsatisfiable(header: string | undefined, size: number): never {
  throw new S3Error('InvalidRange', undefined, {
    details: { RangeRequested: header ?? '', ActualObjectSize: String(size) },
    headers: { 'content-range': `bytes */${size}` },
  });
}
