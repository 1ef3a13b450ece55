/**
 * One byte string for one value, so that a MAC over a keyring means the same to every implementation (crypto/FORMAT.md,
 * "Keyring and access key ids", canonical JSON): members sorted by name, no white space, and only integers, strings,
 * arrays, objects and null.
 */

export type JsonValue = null | number | string | readonly JsonValue[] | { readonly [name: string]: JsonValue };

/** The value has no canonical form: a fraction, a negative number, a control character, a lone surrogate, a boolean. */
export class NotCanonical extends Error {
  readonly code = 'NOT_CANONICAL';
  constructor(what: string) {
    super(`No canonical JSON form: ${what}`);
    this.name = 'NotCanonical';
  }
}

/** UTF-8 bytes of the canonical form. @throws NotCanonical */
export function canonicalJson(value: JsonValue): Buffer {
  return Buffer.from(render(value), 'utf8');
}

function render(value: JsonValue): string {
  if (value === null) return 'null';
  if (typeof value === 'number') return renderInteger(value);
  if (typeof value === 'string') return renderString(value);
  if (typeof value !== 'object') throw new NotCanonical(`a ${typeof value}`);
  if (isArray(value)) return `[${value.map(render).join(',')}]`;
  return `{${Object.keys(value)
    .sort()
    .map((name) => renderMember(name, value[name]))
    .join(',')}}`;
}

function renderMember(name: string, value: JsonValue | undefined): string {
  if (value === undefined) throw new NotCanonical('an undefined member');
  return `${renderString(name)}:${render(value)}`;
}

function renderInteger(value: number): string {
  if (!Number.isSafeInteger(value) || value < 0 || Object.is(value, -0)) throw new NotCanonical('not a natural number');
  return String(value);
}

/** Control characters are refused, so that only `"` and `\` are ever escaped. */
function renderString(value: string): string {
  if (!isPlainText(value)) throw new NotCanonical('a control character or lone surrogate');
  return JSON.stringify(value);
}

/** No control character (U+0000..U+001F, U+007F) and no lone surrogate. */
export function isPlainText(value: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are exactly what is refused
  return value.isWellFormed() && !/[\u0000-\u001f\u007f]/.test(value);
}

function isArray(value: object): value is readonly JsonValue[] {
  return Array.isArray(value);
}
