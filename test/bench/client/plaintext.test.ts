// Protects: the check of what is read back during a load. It must notice bytes of another object, or of another place.
import { expect, test } from 'vitest';
import { comparePiece, LARGE_BYTES, largeBody, SMALL_BYTES, smallBody } from './plaintext.ts';

test('pieces in their place pass, pieces of another place or object do not', () => {
  const body = largeBody(2);
  const [at, length] = [5_000_000, 65_536];
  const piece = body.subarray(at, at + length);
  expect(() => comparePiece(piece, at, body)).not.toThrow();
  expect(() => comparePiece(piece, at + 1, body)).toThrow('wrong bytes');
  expect(() => comparePiece(piece, at, largeBody(3))).toThrow('wrong bytes');
  expect(() => comparePiece(piece, LARGE_BYTES - 10, body)).toThrow('wrong bytes');
  for (const broken of [0, length - 1]) {
    const copy = Buffer.from(piece);
    copy.writeUInt8(copy.readUInt8(broken) ^ 1, broken);
    expect(() => comparePiece(copy, at, body)).toThrow('wrong bytes');
  }
});

test('bodies are of their size, and differ', () => {
  expect(largeBody(0)).toHaveLength(LARGE_BYTES);
  expect(largeBody(31)).toHaveLength(LARGE_BYTES);
  expect(largeBody(0).equals(largeBody(1))).toBe(false);
  expect(smallBody(16_383)).toHaveLength(SMALL_BYTES);
  expect(smallBody(0).equals(smallBody(1))).toBe(false);
});
