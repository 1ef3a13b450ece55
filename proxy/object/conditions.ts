/**
 * Conditional requests against the ETag that clients see (RFC 9110 section 13.2.2; S3 API reference, GetObject and PutObject).
 * The proxy decides first, since the backend knows ciphertext ETags only; writes then send a translated condition along.
 */
import { S3Error } from '../errors.ts';
import { parseHttpDate } from '../http/http-date.ts';

export interface ReadConditions {
  readonly ifMatch?: string | undefined;
  readonly ifNoneMatch?: string | undefined;
  readonly ifModifiedSince?: string | undefined;
  readonly ifUnmodifiedSince?: string | undefined;
}

/** What conditions are evaluated against. */
export interface Validators {
  /** Unquoted. */
  readonly etag: string;
  /** Another form of the same ETag, accepted too. */
  readonly otherEtag?: string | undefined;
  /** HTTP date. */
  readonly lastModified: string;
  /** What a 304 repeats of the headers that a 200 would have (RFC 9110 section 15.4.5). */
  readonly repeated?: Readonly<Record<string, string>>;
}

/** @throws S3Error PreconditionFailed, or NotModified with the headers of a 304 */
export function checkRead(conditions: ReadConditions, found: Validators): void {
  const outcome = evaluate(conditions, found);
  if (outcome === 'proceed') return;
  if (outcome === 'not-modified') {
    throw new S3Error('NotModified', undefined, {
      headers: { ...found.repeated, ETag: `"${found.etag}"`, 'Last-Modified': found.lastModified },
    });
  }
  throw new S3Error('PreconditionFailed', undefined, { details: { Condition: outcome } });
}

type Outcome = 'proceed' | 'not-modified' | 'If-Match' | 'If-Unmodified-Since';

/** In RFC 9110's order of precedence. Dates that do not parse are ignored. */
export function evaluate(conditions: ReadConditions, found: Validators): Outcome {
  const modified = Date.parse(found.lastModified);
  if (conditions.ifMatch !== undefined) {
    if (!names(conditions.ifMatch, found)) return 'If-Match';
  } else if (conditions.ifUnmodifiedSince !== undefined) {
    if (modified > parseHttpDate(conditions.ifUnmodifiedSince)) return 'If-Unmodified-Since';
  }
  if (conditions.ifNoneMatch !== undefined) {
    if (names(conditions.ifNoneMatch, found)) return 'not-modified';
  } else if (conditions.ifModifiedSince !== undefined) {
    if (modified <= parseHttpDate(conditions.ifModifiedSince)) return 'not-modified';
  }
  return 'proceed';
}

function names(list: string, { etag, otherEtag }: Validators): boolean {
  return etagListed(list, etag) || (otherEtag !== undefined && etagListed(list, otherEtag));
}

/** Whether an If-Match style list names `etag`: quoted or not, weak or not, or '*'. */
export function etagListed(list: string, etag: string): boolean {
  return list.split(',').some((item) => {
    const tag = unquote(item);
    return tag === '*' || tag === etag;
  });
}

export function unquote(etag: string): string {
  return etag
    .trim()
    .replace(/^W\//, '')
    .replace(/^"(.*)"$/, '$1');
}

export interface WriteConditions {
  /** Unquoted ETag or '*'. */
  readonly ifMatch?: string;
  /** Only `If-None-Match: *` exists on writes. */
  readonly ifNoneMatch?: '*';
}
