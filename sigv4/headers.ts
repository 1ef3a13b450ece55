/**
 * Header values as a signature sees them: outer white space trimmed, inner runs of it one space, repeated headers joined by
 * a comma in the order received. Source: AWS documentation, "Create a canonical request" (CanonicalHeaders).
 */
export type HeaderPair = readonly [name: string, value: string];

const SPACES = /[ \t\r\n\v\f]+/g;
/** Applied after runs are collapsed, so that a long run costs no backtracking before the request is authenticated. */
const OUTER_SPACE = /^ | $/g;

/** Most values hold nothing to collapse or trim: this finds the others in one pass. */
const NOT_CANONICAL = /[\t\r\n\v\f]| {2}|^ | $/;

/** One value: trimmed, inner runs of white space one space. */
export function canonicalHeaderValue(value: string): string {
  return NOT_CANONICAL.test(value) ? value.replace(SPACES, ' ').replace(OUTER_SPACE, '') : value;
}

/** The headers of a request are read for its claim, and again to verify the claim. */
const known = new WeakMap<readonly HeaderPair[], ReadonlyMap<string, string>>();

/** Canonical values by lower-case name. */
export function canonicalHeaderValues(headers: readonly HeaderPair[]): ReadonlyMap<string, string> {
  const before = known.get(headers);
  if (before !== undefined) return before;
  const values = collectValues(headers);
  known.set(headers, values);
  return values;
}

function collectValues(headers: readonly HeaderPair[]): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  for (const [name, value] of headers) {
    const key = name.toLowerCase();
    const canonical = canonicalHeaderValue(value);
    const before = values.get(key);
    values.set(key, before === undefined ? canonical : `${before},${canonical}`);
  }
  return values;
}
