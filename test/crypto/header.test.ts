/**
 * Protects the header: it opens under its own tenant, bucket, key and root only, no piece of it can be changed, stripped or
 * exchanged, and sealing again repeats no salt.
 */
import { Buffer } from 'node:buffer';
import { createSecretKey } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { encodeAttributes } from '../../crypto/attributes.ts';
import { newDataKey } from '../../crypto/data-key.ts';
import { type Dek, deriveFromDek } from '../../crypto/dek.ts';
import { type HeaderFields, headerBytes, type ObjectName, openHeader, sealHeader } from '../../crypto/header.ts';
import type { SealedHeader } from '../../crypto/header-fields.ts';
import type { Layout } from '../../crypto/layout.ts';
import { codeOf } from './expect-code.ts';
import { flipped, forgeHeader, headerBox, withField } from './forge.ts';

const root = createSecretKey(Buffer.alloc(32, 1));
const otherRoot = createSecretKey(Buffer.alloc(32, 2));
const name: ObjectName = { tenant: Buffer.alloc(12, 3), bucket: 'bucket', key: 'folder/ü.txt' };
const dataKey = newDataKey();
const { dek } = dataKey;
const early = {
  size: 5,
  partSalt: Buffer.alloc(32, 4),
  headers: [['content-type', 'text/plain']] as const,
  metadata: [['a', 'b']] as const,
};
const late = { md5: Buffer.alloc(16, 5), partCount: 0, checksums: [] };
const small = () => sealHeader({ root, epoch: 1, name, ...dataKey, layout: 0, attributes: { early, late } });
const inHeader = () => sealHeader({ root, epoch: 1, name, ...dataKey, layout: 1, attributes: { early } });
const inFooter = () => sealHeader({ root, epoch: 1, name, ...dataKey, layout: 1 });

const roots = (epoch: number) => (epoch === 1 ? root : epoch === 2 ? otherRoot : undefined);
const open = (header: HeaderFields, as: ObjectName = name) => openHeader({ root: roots, name: as, header });
const codeFor = (header: HeaderFields, as: ObjectName = name) => codeOf(() => open(header, as));
const derived = (one: Dek) => deriveFromDek(one, { label: 'test', salt: Buffer.alloc(32) });

describe('a header', () => {
  it('gives back data key, layout, epoch and attributes', () => {
    const opened = open(small());
    expect(derived(opened.dek)).toEqual(derived(dek));
    expect(opened).toMatchObject({ layout: 0, epoch: 1, early, late });
    expect(opened.binding.equals(dataKey.binding)).toBe(true);
    expect(open(inHeader())).toMatchObject({ layout: 1, epoch: 1, early });
    expect(open(inHeader()).late).toBeUndefined();
    expect(Object.keys(open(inFooter()))).toEqual(['dek', 'layout', 'epoch', 'binding', 'commitment']);
  });

  it('has the fields, lengths and characters of the format', () => {
    const header = small();
    expect(header['enc-algo']).toBe('sealgate-1');
    expect(header['enc-tenant']).toBe('03'.repeat(12));
    expect(header['enc-dek']).toMatch(/^[A-Za-z0-9_-]{179}$/);
    expect(header['enc-attrs']).toMatch(/^[A-Za-z0-9_-]+$/);
    expect(inFooter()).not.toHaveProperty('enc-attrs');
    expect(headerBytes(inFooter())).toBe(238);
    expect(headerBytes(header)).toBe(238 + 'enc-attrs'.length + (header['enc-attrs']?.length ?? 0));
  });

  it('repeats no salt, so that copies and retries share no key', () => {
    const seen = new Set<string>();
    for (let i = 0; i < 100; i++) {
      const header = small();
      seen.add(Buffer.from(header['enc-dek'], 'base64url').toString('hex', 6, 38));
      seen.add(Buffer.from(header['enc-attrs'] ?? '', 'base64url').toString('hex', 0, 32));
    }
    expect(seen.size).toBe(200);
  });

  it('is bound to names of 1,024 bytes and more', () => {
    const long = { ...name, key: 'k'.repeat(1023) };
    const header = sealHeader({ root, epoch: 1, name: { ...long, key: `${long.key}a` }, ...dataKey, layout: 1 });
    expect(codeFor(header, { ...long, key: `${long.key}a` })).toBe('success');
    expect(codeFor(header, { ...long, key: `${long.key}b` })).toBe('HEADER_REFUSED');
    expect(codeFor(header, long)).toBe('HEADER_REFUSED');
  });

  const OTHER_NAMES: readonly (readonly [what: string, name: ObjectName])[] = [
    ['tenant', { ...name, tenant: Buffer.alloc(12, 4) }],
    ['bucket', { ...name, bucket: 'bucket2' }],
    ['key', { ...name, key: 'folder/u.txt' }],
    ['case of the key', { ...name, key: 'Folder/ü.txt' }],
    ['normal form of the key', { ...name, key: 'folder/u\u0308.txt' }],
    ['bucket and key, cut elsewhere', { ...name, bucket: 'bucke', key: `t${name.key}` }],
    ['bucket and key, exchanged', { ...name, bucket: name.key, key: name.bucket }],
  ];
  it.each(OTHER_NAMES)('does not open under another %s', (_, as) => {
    for (const header of [small(), inHeader(), inFooter()]) expect(codeFor(header, as)).toBe('HEADER_REFUSED');
  });

  it('does not open for another tenant when enc-tenant is changed to match', () => {
    const tenant = Buffer.alloc(12, 4);
    expect(codeFor({ ...small(), 'enc-tenant': tenant.toString('hex') }, { ...name, tenant })).toBe('HEADER_REFUSED');
  });

  it('does not open under another root, epoch, or an unknown epoch', () => {
    const header = small();
    expect(codeOf(() => openHeader({ root: () => otherRoot, name, header }))).toBe('HEADER_REFUSED');
    expect(codeFor(withField(header, 'enc-dek', (bytes) => flipped(bytes, 5, 3)))).toBe('HEADER_REFUSED');
    expect(
      codeOf(() =>
        openHeader({ root: () => root, name, header: withField(header, 'enc-dek', (b) => flipped(b, 5, 3)) }),
      ),
    ).toBe('HEADER_REFUSED');
    expect(codeFor(withField(header, 'enc-dek', (bytes) => flipped(bytes, 2)))).toBe('UNKNOWN_EPOCH');
  });

  it('asks for the root of its epoch only, and for none of another tenant', () => {
    const asked: number[] = [];
    const foreign = { ...name, tenant: Buffer.alloc(12, 9) };
    const unknown = withField(small(), 'enc-dek', (bytes) => flipped(bytes, 2));
    const refusing = () => openHeader({ root: (epoch) => void asked.push(epoch), name: foreign, header: unknown });
    expect([codeOf(refusing), asked]).toEqual(['HEADER_REFUSED', []]);
    const header = sealHeader({ root: otherRoot, epoch: 2, name, ...dataKey, layout: 1 });
    openHeader({
      root: (epoch) => {
        asked.push(epoch);
        return roots(epoch);
      },
      name,
      header,
    });
    expect(asked).toEqual([2]);
  });

  it('does not open with any bit of enc-dek or enc-attrs changed', () => {
    let tried = 0;
    for (const header of [small(), inHeader(), inFooter()]) {
      for (const field of ['enc-dek', 'enc-attrs'] as const) {
        const length = Buffer.from(header[field] ?? '', 'base64url').length;
        for (let bit = 0; bit < length * 8; bit++) {
          const code = codeFor(withField(header, field, (bytes) => flipped(bytes, bit >> 3, 1 << (bit & 7))));
          const isNamed = code === 'HEADER_REFUSED' || code === 'UNKNOWN_EPOCH' || code === 'HEADER_MALFORMED';
          if (!isNamed) throw new Error(`${field}, bit ${bit}: ${code}`);
          tried += 1;
        }
      }
    }
    expect(tried).toBeGreaterThan(3 * 134 * 8);
  });

  it('does not open with enc-attrs stripped, added, or taken from another sealing', () => {
    const stripped = ({ 'enc-attrs': _, ...rest }: SealedHeader) => rest;
    const attributes = small()['enc-attrs'] ?? '';
    expect(codeFor(stripped(small()))).toBe('HEADER_MALFORMED');
    expect(codeFor(stripped(inHeader()))).toBe('HEADER_MALFORMED');
    expect(codeFor({ ...inFooter(), 'enc-attrs': inHeader()['enc-attrs'] ?? '' })).toBe('HEADER_MALFORMED');
    expect(codeFor({ ...small(), 'enc-attrs': attributes })).toBe('HEADER_REFUSED');
    expect(codeFor({ ...small(), 'enc-attrs': '' })).toBe('HEADER_REFUSED');
    // Both pieces, from sealings of two copies of one object under one data key.
    const copy = sealHeader({
      root,
      epoch: 1,
      name: { ...name, key: 'copy' },
      ...dataKey,
      layout: 0,
      attributes: { early, late },
    });
    expect(codeFor({ ...small(), 'enc-attrs': copy['enc-attrs'] ?? '' })).toBe('HEADER_REFUSED');
    // The location byte changed along with it.
    const moved = withField(stripped(inHeader()), 'enc-dek', (bytes) => flipped(bytes, 1));
    expect(codeFor(moved)).toBe('HEADER_REFUSED');
  });

  const MALFORMED: readonly (readonly [what: string, change: (header: SealedHeader) => HeaderFields])[] = [
    ['no enc-dek', (h) => ({ ...h, 'enc-dek': undefined })],
    ['no enc-tenant', (h) => ({ ...h, 'enc-tenant': undefined })],
    ['an empty enc-dek', (h) => ({ ...h, 'enc-dek': '' })],
    ['padding', (h) => ({ ...h, 'enc-dek': `${h['enc-dek']}=` })],
    ['white space', (h) => ({ ...h, 'enc-dek': ` ${h['enc-dek']}` })],
    ['a line end', (h) => ({ ...h, 'enc-attrs': `${h['enc-attrs']}\n` })],
    ['the other alphabet', (h) => ({ ...h, 'enc-dek': `+${h['enc-dek'].slice(1)}` })],
    ['unused bits', (h) => ({ ...h, 'enc-dek': `${h['enc-dek'].slice(0, -1)}B` })],
    ['a tenant of 22 digits', (h) => ({ ...h, 'enc-tenant': h['enc-tenant'].slice(2) })],
    ['a tenant in upper case', (h) => ({ ...h, 'enc-tenant': 'AB'.repeat(12) })],
    ['a tenant with a line end', (h) => ({ ...h, 'enc-tenant': `${h['enc-tenant']}\n` })],
    ['layout 3', (h) => withField(h, 'enc-dek', (bytes) => flipped(bytes, 0, 3))],
    ['location 2', (h) => withField(h, 'enc-dek', (bytes) => flipped(bytes, 1, 2))],
  ];
  it.each(MALFORMED)('is malformed with %s', (_, change) => {
    expect(codeFor(change(small()))).toBe('HEADER_MALFORMED');
  });

  it.each([undefined, '', 'sealgate-2', 'sealgate-1 ', 'SEALGATE-1'])('is not known with enc-algo %j', (algorithm) => {
    expect(codeFor({ ...small(), 'enc-algo': algorithm })).toBe('UNKNOWN_ALGORITHM');
  });

  it('does not open with the commitment of another data key, even bound by someone with the root', () => {
    expect(codeFor(forgeHeader({ root, name, ...dataKey, layout: 1 }))).toBe('success');
    expect(codeFor(forgeHeader({ root, name, ...dataKey, layout: 1, commitment: Buffer.alloc(32) }))).toBe(
      'HEADER_REFUSED',
    );
  });

  it('holds early attributes, and late ones in layout 0 only', () => {
    const around = (layout: Layout, kinds: Parameters<typeof encodeAttributes>[0]) =>
      forgeHeader({
        root,
        name,
        ...dataKey,
        layout,
        box: headerBox({ dek, layout, name, plaintext: encodeAttributes(kinds) }),
      });
    expect(codeFor(around(0, { layout: 0, early, late }))).toBe('success');
    expect(codeFor(around(1, { layout: 1, early }))).toBe('success');
    expect(codeFor(around(0, { layout: 0, early }))).toBe('ATTRIBUTES_MALFORMED');
    expect(codeFor(around(0, { layout: 0, late }))).toBe('ATTRIBUTES_MALFORMED');
    const ofFooter = { ...late, padBytes: 0 };
    expect(codeFor(around(1, { layout: 1, late: ofFooter }))).toBe('ATTRIBUTES_MALFORMED');
    expect(codeFor(around(1, { layout: 1, early, late: ofFooter }))).toBe('ATTRIBUTES_MALFORMED');
  });

  it('does not open as layout 0 with its attributes in a footer', () => {
    const { 'enc-attrs': _, ...rest } = withField(small(), 'enc-dek', (bytes) => flipped(bytes, 1));
    expect(codeFor(rest)).toBe('HEADER_MALFORMED');
  });
});

describe('sealing a header', () => {
  it('refuses what no reader would open', () => {
    const seal = { root, epoch: 1, name, ...dataKey, layout: 0, attributes: { early, late } } as const;
    expect(() => sealHeader({ ...seal, attributes: { early } })).toThrow(TypeError);
    expect(() => sealHeader({ ...seal, attributes: undefined })).toThrow(TypeError);
    expect(() => sealHeader({ ...seal, layout: 1 })).toThrow(TypeError);
    expect(() => sealHeader({ ...seal, name: { ...name, tenant: Buffer.alloc(11) } })).toThrow(RangeError);
    expect(() => sealHeader({ ...seal, name: { ...name, key: '\ud800' } })).toThrow(TypeError);
    for (const epoch of [0, -1, 1.5, 2 ** 32]) expect(() => sealHeader({ ...seal, epoch })).toThrow(RangeError);
  });
});
