/**
 * Headers of a presigned URL that came in its query. A URL may carry `x-amz-*` headers as parameters; older SDKs (AWS SDK for
 * JavaScript v2) also list such a header in SignedHeaders and send its value in the query alone, so that whoever uses the URL
 * need not know of it. S3 takes the parameter for the header there. The parameter itself is signed as part of the query.
 */
import type { QueryPair } from './query.ts';

/** Headers that frame, route or authenticate a request. Only the request itself can carry them. */
const OF_THE_REQUEST: ReadonlySet<string> = new Set([
  ...[
    'host',
    'authorization',
    'connection',
    'content-length',
    'expect',
    'te',
    'trailer',
    'transfer-encoding',
    'upgrade',
  ],
]);

/** The headers, and those of `signedHeaders` (lower-case names) which only the query has. */
export function withQueryHeaders(
  headers: ReadonlyMap<string, string>,
  query: readonly QueryPair[],
  signedHeaders: readonly string[],
): ReadonlyMap<string, string> {
  const missing = signedHeaders.filter((name) => !headers.has(name) && mayStandInQuery(name));
  if (missing.length === 0) return headers;
  const found = new Map(headers);
  for (const name of missing) {
    const pair = query.find(([parameter]) => parameter.toLowerCase() === name);
    if (pair !== undefined) found.set(name, pair[1]);
  }
  return found;
}

/** @param name lower case */
export function mayStandInQuery(name: string): boolean {
  return !OF_THE_REQUEST.has(name);
}
