/**
 * Protects the data key: its bytes do not show, it is copied, and it opens only with its own commitment. Also the one-message
 * ciphers under it, which must not take short tags.
 */
import { Buffer } from 'node:buffer';
import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { openBox, sealBox } from '../../crypto/box.ts';
import { commitmentOf, Dek, deriveFromDek, unwrapDek, wrapDek } from '../../crypto/dek.ts';
import { openOnce, sealOnce } from '../../crypto/gcm.ts';
import { flipped } from './forge.ts';

const raw = Buffer.alloc(32, 0xab);
const wrapKey = Buffer.alloc(32, 1);
const aad = Buffer.from('aad');
const hexOfRaw = raw.toString('hex');

describe('a data key', () => {
  it('shows its bytes nowhere', () => {
    const dek = Dek.fromBytes(raw);
    const views = [
      inspect(dek, { showHidden: true, depth: 9 }),
      JSON.stringify({ dek }),
      String(dek),
      `${Object.keys(dek)}`,
    ];
    for (const view of views) {
      expect(view).not.toContain(hexOfRaw);
      expect(view).not.toContain('abab');
      expect(view).not.toContain(raw.toString('base64'));
      expect(view).not.toMatch(/ab ab ab/);
    }
    expect(inspect(dek)).toBe('[Dek]');
  });

  it('is a copy: the caller may wipe its buffer', () => {
    const mine = Buffer.from(raw);
    const dek = Dek.fromBytes(mine);
    mine.fill(0);
    expect(commitmentOf(dek)).toEqual(commitmentOf(Dek.fromBytes(raw)));
  });

  it('is random when generated', () => {
    const seen = new Set(Array.from({ length: 200 }, () => commitmentOf(Dek.generate()).toString('hex')));
    expect(seen.size).toBe(200);
    // Wiping the buffer of a generated key must not wipe the key.
    expect(seen.has(commitmentOf(Dek.fromBytes(Buffer.alloc(32))).toString('hex'))).toBe(false);
  });

  it.each([0, 31, 33, 64])('does not have %d bytes', (length) => {
    expect(() => Dek.fromBytes(Buffer.alloc(length))).toThrow(RangeError);
  });

  it('is wrapped and unwrapped, and stays usable', () => {
    const dek = Dek.fromBytes(raw);
    const wrapped = wrapDek(dek, wrapKey, aad);
    expect(wrapped).toHaveLength(48);
    expect(wrapDek(dek, wrapKey, aad)).toEqual(wrapped);
    const opened = unwrapDek({ wrapKey, wrapped, aad, commitment: commitmentOf(dek) });
    const derivation = { label: 'x', salt: Buffer.alloc(32) };
    expect(opened && deriveFromDek(opened, derivation)).toEqual(deriveFromDek(dek, derivation));
  });

  it('does not unwrap with another key, AAD, commitment, or a changed wrap', () => {
    const dek = Dek.fromBytes(raw);
    const good = { wrapKey, wrapped: wrapDek(dek, wrapKey, aad), aad, commitment: commitmentOf(dek) };
    expect(unwrapDek(good)).toBeInstanceOf(Dek);
    expect(unwrapDek({ ...good, wrapKey: Buffer.alloc(32, 2) })).toBeUndefined();
    expect(unwrapDek({ ...good, aad: Buffer.from('aae') })).toBeUndefined();
    expect(unwrapDek({ ...good, commitment: flipped(good.commitment, 31) })).toBeUndefined();
    expect(unwrapDek({ ...good, commitment: good.commitment.subarray(0, 31) })).toBeUndefined();
    expect(unwrapDek({ ...good, wrapped: good.wrapped.subarray(0, 36) })).toBeUndefined();
    for (let at = 0; at < 48; at++) expect(unwrapDek({ ...good, wrapped: flipped(good.wrapped, at) })).toBeUndefined();
  });
});

describe('one message under a key', () => {
  it('does not open with a tag of less than 16 bytes', () => {
    const sealed = sealOnce(wrapKey, Buffer.from('message'), aad);
    expect(openOnce(wrapKey, sealed, aad)?.toString()).toBe('message');
    for (const bytes of [4, 8, 12, 13, 14, 15]) {
      expect(openOnce(wrapKey, sealed.subarray(0, 7 + bytes), aad)).toBeUndefined();
    }
    expect(openOnce(wrapKey, Buffer.alloc(0), aad)).toBeUndefined();
  });
});

describe('a box', () => {
  const purpose = { dek: Dek.fromBytes(raw), label: 'test', context: [Buffer.from('a')] };
  const plaintext = Buffer.from('record');

  it('opens for the same purpose only', () => {
    const box = sealBox({ ...purpose, plaintext });
    expect(openBox({ ...purpose, box })).toEqual(plaintext);
    expect(openBox({ ...purpose, label: 'tess', box })).toBeUndefined();
    expect(openBox({ ...purpose, context: [], box })).toBeUndefined();
    expect(openBox({ ...purpose, context: [Buffer.from('b')], box })).toBeUndefined();
    expect(openBox({ ...purpose, dek: Dek.generate(), box })).toBeUndefined();
  });

  it('does not open changed in any byte, nor cut at any length', () => {
    const box = sealBox({ ...purpose, plaintext });
    for (let at = 0; at < box.length; at++) {
      expect(openBox({ ...purpose, box: flipped(box, at) })).toBeUndefined();
      expect(openBox({ ...purpose, box: box.subarray(0, at) })).toBeUndefined();
    }
    expect(box).toHaveLength(54);
  });

  it('draws a new salt each time', () => {
    const salts = new Set(Array.from({ length: 200 }, () => sealBox({ ...purpose, plaintext }).toString('hex', 0, 32)));
    expect(salts.size).toBe(200);
  });
});
