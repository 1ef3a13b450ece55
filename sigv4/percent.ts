/**
 * Percent-encoding the way signatures see it: decode once, encode every byte once, nothing normalised.
 *
 * Text here is "one character per byte" (0..255), as `node:http` hands over a request target; UTF-8 sequences stay separate
 * bytes, which is what gets encoded. Source: AWS documentation, "Create a canonical request" (UriEncode).
 */
import { SigV4Error } from './errors.ts';

const BAD_ESCAPE = /%(?![0-9A-Fa-f]{2})/;
const ESCAPE = /%([0-9A-Fa-f]{2})/g;
// biome-ignore lint/suspicious/noControlCharactersInRegex: every byte value is allowed
const NOT_A_BYTE = /[^\u0000-\u00ff]/;
const RESERVED = /[^A-Za-z0-9\-._~]/g;
const RESERVED_IN_PATH = /[^A-Za-z0-9\-._~/]/g;

const ENCODED: readonly string[] = Array.from(
  { length: 256 },
  (_, byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`,
);

/**
 * Bytes behind the escapes, one character each.
 * @throws SigV4Error InvalidURI for an escape that is not two hex digits, or a character that is not a byte.
 */
export function percentDecode(text: string): string {
  if (BAD_ESCAPE.test(text) || NOT_A_BYTE.test(text)) {
    throw new SigV4Error('InvalidURI', "Couldn't parse the specified URI.");
  }
  if (!text.includes('%')) return text;
  return text.replace(ESCAPE, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}

/** Encodes every byte but the unreserved ones. */
export function percentEncode(bytes: string): string {
  return bytes.replace(RESERVED, encodeByte);
}

/** Encodes every byte but the unreserved ones and `/`. */
export function percentEncodePath(bytes: string): string {
  return bytes.replace(RESERVED_IN_PATH, encodeByte);
}

function encodeByte(byte: string): string {
  return ENCODED[byte.charCodeAt(0)] ?? '';
}
