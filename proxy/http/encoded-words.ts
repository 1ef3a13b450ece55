/**
 * User metadata outside ASCII as S3 answers it: encoded words of RFC 2047, because many clients refuse to read a header with
 * other bytes. S3 user guide, "Working with object metadata"; S3 chooses between the two encodings, and splits, as JavaMail's
 * `MimeUtility.encodeText` does. What a client sent as ASCII, encoded words included, comes back as it was sent.
 */
const CHARSET = 'UTF-8';
/** Characters of a word between its charset and its end (RFC 2047 section 2: a word has at most 75). */
const MAX_ENCODED_CHARS = 68 - CHARSET.length;

const PLAIN = /^[\t\x20-\x7e]*$/;
/** Bytes that stand for themselves in the Q encoding. */
const SAFE = /^[!-<>@-^`-~]$/;

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** @param bytes a header's value, one character per byte: UTF-8, or else ISO 8859-1 */
export function toAsciiValue(bytes: string): string {
  if (PLAIN.test(bytes)) return bytes;
  const text = textOf(bytes);
  const encode = isMostlyAscii(text) ? quoted : base64;
  return words(text, encode).join(' ');
}

type Encode = (bytes: Buffer) => string;

function textOf(bytes: string): string {
  try {
    return utf8.decode(Buffer.from(bytes, 'latin1'));
  } catch {
    return bytes;
  }
}

/** Halves of the text until each fits a word. A word ends between characters. */
function words(text: string, encode: Encode): string[] {
  const encoded = encode(Buffer.from(text, 'utf8'));
  const half = halfOf(text);
  if (encoded.length <= MAX_ENCODED_CHARS || half === 0) {
    return [`=?${CHARSET}?${encode === quoted ? 'Q' : 'B'}?${encoded}?=`];
  }
  return [...words(text.slice(0, half), encode), ...words(text.slice(half), encode)];
}

function halfOf(text: string): number {
  const half = Math.floor(text.length / 2);
  return /[\ud800-\udbff]/.test(text.charAt(half - 1)) ? half - 1 : half;
}

function isMostlyAscii(text: string): boolean {
  let ascii = 0;
  for (let i = 0; i < text.length; i++) if (PLAIN.test(text.charAt(i))) ascii++;
  return ascii > text.length - ascii;
}

const base64: Encode = (bytes) => bytes.toString('base64');

const quoted: Encode = (bytes) => {
  let out = '';
  for (const byte of bytes) {
    const char = String.fromCharCode(byte);
    if (char === ' ') out += '_';
    else out += SAFE.test(char) ? char : `=${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return out;
};
