/** Which characters a client's document may hold: XML 1.0, section 2.2, production 2 ("Char"), and so no control characters. */

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are exactly what is looked for
const FORBIDDEN = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|\p{Surrogate}/u;

export function isXmlText(text: string): boolean {
  return !FORBIDDEN.test(text);
}
