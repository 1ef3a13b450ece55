/**
 * Step 1 of SigV4: the request in canonical form.
 *
 * S3's rules, which differ from other services' in the path: it is decoded and encoded exactly once, and `//`, `/./` and
 * `..` stay as they are. Source: AWS documentation, "Create a canonical request".
 */
import { signatureMismatch } from './errors.ts';
import { percentDecode, percentEncodePath } from './percent.ts';
import { canonicalQuery, type QueryPair } from './query.ts';

export interface CanonicalInput {
  readonly method: string;
  /** Raw path, as sent. */
  readonly path: string;
  readonly query: readonly QueryPair[];
  /** Canonical values by lower-case name. */
  readonly headers: ReadonlyMap<string, string>;
  /** Lower-case names, in any order. */
  readonly signedHeaders: readonly string[];
  /** The last line: a hex SHA-256 or one of the payload words. */
  readonly payloadHash: string;
}

/**
 * One character per byte: hash it as latin1.
 * @throws SigV4Error InvalidURI for malformed percent-encoding; SignatureDoesNotMatch when a signed header did not arrive.
 */
export function canonicalRequest(input: CanonicalInput): string {
  const names = [...input.signedHeaders].sort();
  let headerLines = '';
  for (const name of names) {
    const value = input.headers.get(name);
    if (value === undefined) throw signatureMismatch();
    headerLines += `${name}:${value}\n`;
  }
  return [
    input.method,
    percentEncodePath(percentDecode(input.path)),
    canonicalQuery(input.query),
    headerLines,
    names.join(';'),
    input.payloadHash,
  ].join('\n');
}
