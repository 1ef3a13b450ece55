/**
 * Conditional requests: RFC 9110 section 13.2.2 for reads, S3's conditional writes, and copy-source conditions. Dates have
 * a resolution of one second; a date that does not parse is ignored (RFC 9110 section 13.1.3).
 */
import { S3Error } from '../../errors.ts';
import { parseHttpDate } from '../../http/http-date.ts';

/** The values that conditions are compared with. `modified` in milliseconds; `etag` hex without quotes. */
export interface Validators {
  readonly etag: string;
  readonly modified: number;
}

export interface ReadConditions {
  readonly ifMatch?: string | undefined;
  readonly ifNoneMatch?: string | undefined;
  readonly ifModifiedSince?: string | undefined;
  readonly ifUnmodifiedSince?: string | undefined;
}

export interface WriteConditions {
  readonly ifMatch?: string | undefined;
  readonly ifNoneMatch?: string | undefined;
}

type Headers = Readonly<Record<string, string>>;

/** The four read conditions of a request; `prefix` is `x-amz-copy-source-` for those of a copy's source. */
export function readConditions(headers: Headers, prefix: '' | 'x-amz-copy-source-' = ''): ReadConditions {
  return {
    ifMatch: headers[`${prefix}if-match`],
    ifNoneMatch: headers[`${prefix}if-none-match`],
    ifModifiedSince: headers[`${prefix}if-modified-since`],
    ifUnmodifiedSince: headers[`${prefix}if-unmodified-since`],
  };
}

/**
 * The conditions of a write.
 * @throws S3Error NotImplemented for an If-None-Match other than `*`, as S3 answers.
 */
export function writeConditions(headers: Headers): WriteConditions {
  const ifNoneMatch = headers['if-none-match'];
  if (ifNoneMatch !== undefined && ifNoneMatch.trim() !== '*') {
    throw new S3Error('NotImplemented', undefined, { details: { Header: 'If-None-Match' } });
  }
  return { ifMatch: headers['if-match'], ifNoneMatch };
}

export type ReadOutcome = 'proceed' | 'not-modified' | 'precondition-failed';

/** The date conditions count only where the ETag condition of the same kind is absent. */
export function evaluateRead(conditions: ReadConditions, current: Validators): ReadOutcome {
  const { ifMatch, ifNoneMatch, ifModifiedSince, ifUnmodifiedSince } = conditions;
  const modified = Math.floor(current.modified / 1000);
  if (ifMatch !== undefined) {
    if (!etagMatches(ifMatch, current.etag)) return 'precondition-failed';
  } else if (modified > seconds(ifUnmodifiedSince, Number.POSITIVE_INFINITY)) {
    return 'precondition-failed';
  }
  if (ifNoneMatch !== undefined) {
    if (etagMatches(ifNoneMatch, current.etag)) return 'not-modified';
  } else if (modified <= seconds(ifModifiedSince, Number.NEGATIVE_INFINITY)) {
    return 'not-modified';
  }
  return 'proceed';
}

/** @throws S3Error PreconditionFailed: a copy has no 304. */
export function checkCopySource(conditions: ReadConditions, source: Validators): void {
  if (evaluateRead(conditions, source) !== 'proceed') throw new S3Error('PreconditionFailed');
}

/**
 * Called inside the transaction that writes. `find` looks up the current object, which is absent when the key has none, or
 * a delete marker; it is asked only where there is a condition.
 * @throws S3Error PreconditionFailed; NoSuchKey for If-Match on a key without an object.
 */
export function checkWrite(conditions: WriteConditions, find: () => Validators | undefined): void {
  const { ifMatch, ifNoneMatch } = conditions;
  if (ifMatch === undefined && ifNoneMatch === undefined) return;
  const current = find();
  if (ifMatch !== undefined) {
    if (current === undefined) throw new S3Error('NoSuchKey');
    if (!etagMatches(ifMatch, current.etag)) throw failed('If-Match');
  }
  if (ifNoneMatch !== undefined && current !== undefined) throw failed('If-None-Match');
}

function failed(condition: string): S3Error {
  return new S3Error('PreconditionFailed', undefined, { details: { Condition: condition } });
}

/** A list of entity tags, quoted or not, weak or not, or `*`. */
export function etagMatches(list: string, etag: string): boolean {
  return list.split(',').some((item) => {
    const tag = item.trim();
    return tag === '*' || unquoteEtag(tag) === etag;
  });
}

export function unquoteEtag(tag: string): string {
  const strong = tag.startsWith('W/') ? tag.slice(2) : tag;
  return strong.length >= 2 && strong.startsWith('"') && strong.endsWith('"') ? strong.slice(1, -1) : strong;
}

function seconds(date: string | undefined, otherwise: number): number {
  const milliseconds = date === undefined ? Number.NaN : parseHttpDate(date);
  return Number.isNaN(milliseconds) ? otherwise : Math.floor(milliseconds / 1000);
}
