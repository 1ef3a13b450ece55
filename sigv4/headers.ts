/**
 * Header values as a signature sees them: outer white space trimmed, inner runs of it one space, repeated headers joined by
 * a comma in the order received. Source: AWS documentation, "Create a canonical request" (CanonicalHeaders).
 */
export type HeaderPair = readonly [name: string, value: string];

const SPACES = /[ \t\r\n\v\f]+/g;
/** Applied after runs are collapsed, so that a long run costs no backtracking before the request is authenticated. */
const OUTER_SPACE = /^ | $/g;

/** Canonical values by lower-case name. */
export function canonicalHeaderValues(headers: readonly HeaderPair[]): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  for (const [name, value] of headers) {
    const key = name.toLowerCase();
    const canonical = value.replace(SPACES, ' ').replace(OUTER_SPACE, '');
    const before = values.get(key);
    values.set(key, before === undefined ? canonical : `${before},${canonical}`);
  }
  return values;
}
