/**
 * Every way in which stored bytes can fail to be a Sealgate object: one class, one stable code each (FORMAT.md section 10).
 *
 * The codes say which piece was refused, never why: a wrong key and a changed byte look alike. Misuse by the caller (a
 * range outside the part, a sealer used after its end) is not a FormatError but a TypeError, RangeError or plain Error.
 */
const MESSAGES = {
  UNKNOWN_ALGORITHM: 'The object is not marked with a known sealing algorithm.',
  HEADER_MALFORMED: 'The sealed header is incomplete or not in canonical form.',
  UNKNOWN_EPOCH: 'The object is sealed under a root-key epoch that is not known.',
  HEADER_REFUSED: 'The sealed header does not open under this tenant, bucket, key and root key.',
  ATTRIBUTES_REFUSED: 'The sealed attributes do not open.',
  ATTRIBUTES_MALFORMED: 'The opened attributes are not in canonical form.',
  PART_HEADER_REFUSED: 'The part does not start with the part header that its attributes promise.',
  SEGMENT_REFUSED: 'A sealed segment does not open.',
  LENGTH_MISMATCH: 'The sealed bytes are fewer or more than the attributes promise.',
  PAD_REFUSED: 'The bytes between parts and footer are not zero.',
  LOCATOR_MALFORMED: 'The body does not end in a valid footer locator.',
  TABLE_REFUSED: 'The sealed part table does not open.',
  TABLE_MALFORMED: 'The opened part table contradicts itself or the attributes.',
} as const;

export type FormatErrorCode = keyof typeof MESSAGES;

export class FormatError extends Error {
  readonly code: FormatErrorCode;

  constructor(code: FormatErrorCode) {
    super(MESSAGES[code]);
    this.name = 'FormatError';
    this.code = code;
  }
}

/** All codes, for the documentation and its test. */
export function formatErrorCodes(): readonly string[] {
  return Object.keys(MESSAGES);
}
