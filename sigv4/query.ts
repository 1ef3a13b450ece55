/**
 * The query string as a signature sees it: decoded pairs in, canonical query out.
 *
 * `?acl` is `acl=`, a literal `+` is a space (S3 reads queries as forms; a plus sign is sent as `%2B`), empty pieces between
 * `&` count for nothing. Source: AWS documentation, "Create a canonical request".
 */
import { percentDecode, percentEncode } from './percent.ts';

/** Decoded name and value, one character per byte. */
export type QueryPair = readonly [name: string, value: string];

/** @throws SigV4Error InvalidURI for malformed percent-encoding. */
export function parseQuery(query: string): readonly QueryPair[] {
  if (query === '') return [];
  const pairs: QueryPair[] = [];
  for (const piece of query.split('&')) {
    if (piece === '') continue;
    const equals = piece.indexOf('=');
    const name = equals === -1 ? piece : piece.slice(0, equals);
    const value = equals === -1 ? '' : piece.slice(equals + 1);
    pairs.push([decode(name), decode(value)]);
  }
  return pairs;
}

/** Sorted by encoded name, then by encoded value. Only X-Amz-Signature is left out. */
export function canonicalQuery(pairs: readonly QueryPair[]): string {
  return pairs
    .filter(([name]) => name !== 'X-Amz-Signature')
    .map(([name, value]): QueryPair => [percentEncode(name), percentEncode(value)])
    .sort(([nameA, valueA], [nameB, valueB]) => compare(nameA, nameB) || compare(valueA, valueB))
    .map(([name, value]) => `${name}=${value}`)
    .join('&');
}

function decode(text: string): string {
  return percentDecode(text.includes('+') ? text.replaceAll('+', ' ') : text);
}

/** By byte: encoded text is ASCII. */
function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
