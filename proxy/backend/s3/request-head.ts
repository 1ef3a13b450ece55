/** The head of a request as it goes over the wire: exactly the target and the values that were signed. */

const TARGET = /^[\x21-\x7e]+$/;
const NAME = /^[a-z0-9-]+$/;
/** Bytes that a header's value may hold (RFC 9110, section 5.5). */
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

/**
 * One character a byte, the empty line included.
 * @throws TypeError for a target, name or value that would end its line: a bug of the caller
 */
export function renderHead(o: {
  readonly method: string;
  /** Percent-encoded. */
  readonly path: string;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
}): string {
  if (!TARGET.test(o.path)) throw new TypeError('A request target holds a character that must be encoded');
  let head = `${o.method} ${o.path} HTTP/1.1\r\n`;
  for (const name in o.headers) {
    const value = o.headers[name] ?? '';
    if (!NAME.test(name) || !VALUE.test(value)) throw new TypeError('A request header holds a character that none may');
    head += `${name}: ${value}\r\n`;
  }
  return `${head}\r\n`;
}
