/**
 * Fixed-width integers and strings as bytes: all integers are big-endian (FORMAT.md section 1).
 */
import { Buffer } from 'node:buffer';

export function uint8(value: number): Buffer {
  if (!Number.isInteger(value) || value < 0 || value > 0xff) throw new RangeError('Not an unsigned 8-bit integer.');
  return Buffer.of(value);
}

export function uint16(value: number): Buffer {
  const out = Buffer.allocUnsafe(2);
  out.writeUInt16BE(value);
  return out;
}

export function uint32(value: number): Buffer {
  const out = Buffer.allocUnsafe(4);
  out.writeUInt32BE(value);
  return out;
}

const MAX_SIZE = 2 ** 48;

/** A size in bytes, at most 2^48. */
export function uint64(value: number): Buffer {
  if (!Number.isSafeInteger(value) || value < 0 || value > MAX_SIZE) {
    throw new RangeError('A size in bytes is a whole number from 0 to 2^48.');
  }
  const out = Buffer.allocUnsafe(8);
  out.writeBigUInt64BE(BigInt(value));
  return out;
}

/** Names as UTF-8. A lone surrogate would share its bytes with U+FFFD, so it is refused: TypeError. */
export function utf8(text: string): Buffer {
  if (!text.isWellFormed()) throw new TypeError('A name must be well-formed Unicode.');
  return Buffer.from(text, 'utf8');
}

/** A byte string, one byte per character. TypeError when a character has no byte. */
export function byteString(text: string): Buffer {
  const bytes = Buffer.from(text, 'latin1');
  if (bytes.toString('latin1') !== text) throw new TypeError('A header must be a byte string.');
  return bytes;
}

/** The same bytes, when there are exactly that many; else RangeError. */
export function exactly(length: number, bytes: Buffer): Buffer {
  if (bytes.length !== length) throw new RangeError(`Expected ${length} bytes.`);
  return bytes;
}
