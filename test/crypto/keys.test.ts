/**
 * Protects the key schedule: HKDF as RFC 5869 has it, and contexts in which no two lists of fields meet.
 */
import { Buffer } from 'node:buffer';
import { createHash, createHmac, createSecretKey } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { utf8 } from '../../crypto/bytes.ts';
import { context, deriveKey, frame, lp } from '../../crypto/keys.ts';

/** RFC 5869, one block of output, from HMAC alone. */
function hkdf(secret: Buffer, salt: Buffer, info: Buffer): Buffer {
  const prk = createHmac('sha256', salt).update(secret).digest();
  return createHmac('sha256', prk).update(info).update(Buffer.of(1)).digest();
}

const secret = Buffer.alloc(32, 7);
const salt = Buffer.alloc(32, 9);

describe('derived keys', () => {
  it('are HKDF-SHA256 with the label and the hashed context as info', () => {
    const info = Buffer.concat([
      Buffer.from([0, 0, 0, 5]),
      Buffer.from('label'),
      createHash('sha256')
        .update(Buffer.from([0, 0, 0, 1, 97, 0, 0, 0, 0]))
        .digest(),
    ]);
    const fields = [Buffer.from('a'), Buffer.alloc(0)];
    const expected = hkdf(secret, salt, info);
    expect(deriveKey(secret, { label: 'label', salt, context: fields })).toEqual(expected);
    expect(deriveKey(createSecretKey(secret), { label: 'label', salt, context: fields })).toEqual(expected);
  });

  it('have a context of no fields when none is given', () => {
    const withNone = deriveKey(secret, { label: 'x', salt });
    expect(withNone).toEqual(deriveKey(secret, { label: 'x', salt, context: [] }));
    expect(withNone).not.toEqual(deriveKey(secret, { label: 'x', salt, context: [Buffer.alloc(0)] }));
  });

  it('take contexts far beyond the 1,024 bytes that Node allows for info', () => {
    const key = deriveKey(secret, { label: 'x', salt, context: [Buffer.alloc(100_000)] });
    expect(key).toHaveLength(32);
    expect(key).not.toEqual(deriveKey(secret, { label: 'x', salt, context: [Buffer.alloc(100_001)] }));
  });

  it('differ with secret, salt, label and every field', () => {
    const base = { label: 'x', salt, context: [Buffer.from('a'), Buffer.from('b')] };
    const keys = [
      deriveKey(secret, base),
      deriveKey(Buffer.alloc(32, 8), base),
      deriveKey(secret, { ...base, salt: Buffer.alloc(32, 8) }),
      deriveKey(secret, { ...base, label: 'y' }),
      deriveKey(secret, { ...base, context: [Buffer.from('ab'), Buffer.alloc(0)] }),
      deriveKey(secret, { ...base, context: [Buffer.from('b'), Buffer.from('a')] }),
      deriveKey(secret, { ...base, context: [Buffer.from('ab')] }),
    ];
    expect(new Set(keys.map((key) => key.toString('hex'))).size).toBe(7);
  });
});

describe('frames', () => {
  it('are the length in four bytes, then the data', () => {
    expect(lp(Buffer.from('xyz'))).toEqual(Buffer.from([0, 0, 0, 3, 120, 121, 122]));
    expect(context()).toEqual(createHash('sha256').digest());
  });

  it('are equal only for equal lists', () => {
    const lists = fc.array(fc.uint8Array({ maxLength: 4 }), { maxLength: 4 });
    const framed = (list: readonly Uint8Array[]) => frame(...list.map((field) => Buffer.from(field))).toString('hex');
    const text = (list: readonly Uint8Array[]) => list.map((field) => Buffer.from(field).toString('hex')).join(',');
    fc.assert(
      fc.property(lists, lists, (a, b) => {
        const areSame = a.length === b.length && text(a) === text(b);
        expect(framed(a) === framed(b)).toBe(areSame);
      }),
    );
  });
});

describe('names', () => {
  it('are UTF-8, and refuse what would share its bytes with U+FFFD', () => {
    expect(utf8('ü')).toEqual(Buffer.from([0xc3, 0xbc]));
    expect(() => utf8('\ud800')).toThrow(TypeError);
    expect(() => utf8('a\udc00b')).toThrow(TypeError);
    expect(utf8('\u{1f511}')).toHaveLength(4);
  });
});
