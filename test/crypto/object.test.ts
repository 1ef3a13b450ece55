/**
 * Protects whole objects, as a store could damage them: every bit, every length, pieces of other objects, attempts and versions.
 */
import { Buffer } from 'node:buffer';
import { createSecretKey } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { newDataKey } from '../../crypto/data-key.ts';
import { formatErrorCodes } from '../../crypto/errors.ts';
import { sealFooter } from '../../crypto/footer.ts';
import { type ObjectName, openHeader, sealHeader } from '../../crypto/header.ts';
import type { Layout } from '../../crypto/layout.ts';
import { canonicalBytes, MAX_SMALL_BYTES, plainBytesOf } from '../../crypto/stored-length.ts';
import { codeOf } from './expect-code.ts';
import { flipped, footerPieces } from './forge.ts';
import { type ObjectPlan, openObject, type SealedObject, type StoredObject, sealObject, singlePart } from './object.ts';
import { pattern } from './vectors/build.ts';

const root = createSecretKey(Buffer.alloc(32, 1));
const name: ObjectName = { tenant: Buffer.alloc(12, 2), bucket: 'b', key: 'k' };
const headers = [['content-type', 'text/plain']] as const;
const metadata = [['colour', 'blue']] as const;

const open = (stored: StoredObject, as: ObjectName = name) =>
  openObject({ root: (epoch) => (epoch === 1 ? root : undefined), name: as, ...stored });
const codeFor = (stored: StoredObject, as: ObjectName = name) => codeOf(() => open(stored, as));

interface Shape {
  readonly what: string;
  readonly layout: Layout;
  readonly inFooter: boolean;
}
const SHAPES: readonly Shape[] = [
  { what: 'small', layout: 0, inFooter: false },
  { what: 'single', layout: 1, inFooter: false },
  { what: 'single, attributes in the footer', layout: 1, inFooter: true },
  { what: 'multipart', layout: 2, inFooter: false },
  { what: 'multipart, attributes in the footer', layout: 2, inFooter: true },
];

/** An object of that shape; layout 2 has two parts of half the bytes each. */
function make({ layout, inFooter }: Shape, bytes: number, more: Partial<ObjectPlan> = {}): SealedObject {
  const plaintext = pattern(bytes);
  const half = Math.ceil(bytes / 2);
  const parts =
    layout === 2
      ? [
          { number: 1, plaintext: plaintext.subarray(0, half) },
          { number: 2, plaintext: plaintext.subarray(half) },
        ]
      : singlePart(plaintext);
  return sealObject({ root, name, layout, inFooter, headers, metadata, parts, ...more });
}

describe.each(SHAPES)('an object: $what', (shape) => {
  it.each([0, 1, 65535, 65536, 65537, 2 ** 20 - 1, 2 ** 20, 2 ** 20 + 1])('of %d bytes comes back', (bytes) => {
    const stored = make(shape, bytes);
    if (shape.layout === 0 && bytes > MAX_SMALL_BYTES) {
      expect(codeFor(stored)).toBe('ATTRIBUTES_MALFORMED');
      return;
    }
    const opened = open(stored);
    const isCanonical = stored.body.length === canonicalBytes(bytes);
    expect(isCanonical).toBe(shape.layout === 0 || bytes > MAX_SMALL_BYTES);
    expect(plainBytesOf(stored.body.length)).toBe(isCanonical ? bytes : undefined);
    expect(opened.plaintext.equals(pattern(bytes))).toBe(true);
    expect(opened.attributes).toMatchObject({ size: bytes, early: { headers, metadata } });
  });

  it('does not open with a bit of any byte of its body changed', () => {
    const object = make(shape, 40);
    const { header, body } = object;
    const codes = new Set<string>();
    for (const at of places(object)) {
      const code = codeFor({ header, body: flipped(body, at, 1 << (at & 7)) });
      if (code === 'success') throw new Error(`byte ${at} of ${body.length} may change`);
      codes.add(code);
    }
    expect(formatErrorCodes()).toEqual(expect.arrayContaining([...codes]));
    expect(codes.has('PAD_REFUSED')).toBe(shape.layout !== 0);
    expect(codes.has('SEGMENT_REFUSED') && codes.has('PART_HEADER_REFUSED')).toBe(true);
  });

  it('does not open with any character of its header changed', () => {
    const { header, body } = make(shape, 5);
    let tried = 0;
    for (const [field, value] of Object.entries(header) as [keyof typeof header, string][]) {
      for (let at = 0; at < value.length; at++) {
        for (const character of value[at] === 'A' ? 'Bz0=' : 'A~') {
          const changed = value.slice(0, at) + character + value.slice(at + 1);
          const code = codeFor({ header: { ...header, [field]: changed }, body });
          if (code === 'success') throw new Error(`${field} may change at ${at}`);
          tried += 1;
        }
      }
    }
    expect(tried).toBeGreaterThan(380);
  });

  it('does not open cut at any length, nor with bytes added in front or behind', () => {
    const object = make(shape, 40);
    const { header, body } = object;
    for (const length of places(object)) {
      expect(codeFor({ header, body: body.subarray(0, length) })).not.toBe('success');
      expect(codeFor({ header, body: body.subarray(body.length - length) })).not.toBe('success');
    }
    for (const extra of [1, 16, 24, 64]) {
      expect(codeFor({ header, body: Buffer.concat([body, Buffer.alloc(extra)]) })).not.toBe('success');
      expect(codeFor({ header, body: Buffer.concat([Buffer.alloc(extra), body]) })).not.toBe('success');
      expect(codeFor({ header, body: Buffer.concat([body, body.subarray(-extra)]) })).not.toBe('success');
    }
  });

  it('does not open with a slice taken out, whatever its length', () => {
    const object = make(shape, 40);
    const { header, body } = object;
    for (const length of [1, 8, 16, 24, 36, 48, 84]) {
      for (const at of places(object).filter((place, i) => i % 7 === 0 && place + length <= body.length)) {
        const cut = Buffer.concat([body.subarray(0, at), body.subarray(at + length)]);
        expect(codeFor({ header, body: cut })).not.toBe('success');
      }
    }
  });

  it('does not open with the body or the header of another object', () => {
    const a = make(shape, 40);
    const b = make(shape, 40, { name: { ...name, key: 'other' } });
    expect(codeFor({ header: a.header, body: b.body })).not.toBe('success');
    expect(codeFor({ header: b.header, body: a.body })).toBe('HEADER_REFUSED');
    expect(codeFor(b)).toBe('HEADER_REFUSED');
    expect(codeFor(b, { ...name, key: 'other' })).toBe('success');
    // Each field by itself. In the footer's shape enc-dek alone is a whole header, and it is the body that does not fit.
    for (const field of ['enc-dek', 'enc-attrs'] as const) {
      const value = make(shape, 40).header[field];
      if (value === undefined) continue;
      const code = codeFor({ header: { ...a.header, [field]: value }, body: a.body });
      expect(code).toBe(shape.inFooter ? 'ATTRIBUTES_REFUSED' : 'HEADER_REFUSED');
    }
  });

  it('opens after its header was sealed for another name, and under the new name only', () => {
    const { header, body } = make(shape, 40);
    const { dek, binding, layout, early, late } = openHeader({ root: () => root, name, header });
    const copy = { ...name, bucket: 'c', key: 'copy' };
    const attributes = early === undefined ? undefined : { early, ...(late === undefined ? {} : { late }) };
    const copied = { header: sealHeader({ root, epoch: 1, name: copy, dek, binding, layout, attributes }), body };
    expect(open(copied, copy).plaintext.equals(pattern(40))).toBe(true);
    expect(codeFor(copied)).toBe('HEADER_REFUSED');
    expect(codeFor({ header, body })).toBe('success');
  });
});

/** Where a body is changed: everywhere, but of the many zeros of its pad some. */
function places({ body, footer }: SealedObject): number[] {
  const start = body.length - footer.length;
  const end = footer.length === 0 ? start : start + footerPieces(footer).pad.length;
  return Array.from({ length: body.length }, (_, at) => at).filter(
    (at) => at < start + 3 || at >= end - 3 || at % 4099 === 0,
  );
}

describe('multipart objects', () => {
  const shape = { what: '', layout: 2, inFooter: false } as const;
  const dataKey = newDataKey();
  const cut = ({ parts, footer }: SealedObject, change: (parts: readonly Buffer[]) => readonly Buffer[]) =>
    Buffer.concat([...change(parts), footer]);

  it('do not open with parts swapped, dropped, doubled, or of an older attempt', () => {
    const object = make(shape, 80, { dataKey });
    const older = make(shape, 80, { dataKey });
    const CHANGES: readonly (readonly [what: string, code: string, body: Buffer])[] = [
      ['swapped', 'PART_HEADER_REFUSED', cut(object, ([a, b]) => [b, a].map(present))],
      ['dropped', 'LENGTH_MISMATCH', cut(object, ([a]) => [a].map(present))],
      ['doubled', 'LENGTH_MISMATCH', cut(object, ([a, b]) => [a, b, b].map(present))],
      ['older', 'PART_HEADER_REFUSED', cut(object, ([a]) => [a, older.parts[1]].map(present))],
      [
        'older, with the newer salt',
        'SEGMENT_REFUSED',
        cut(object, ([a, b]) => [present(a), spliced(present(b), present(older.parts[1]))]),
      ],
    ];
    for (const [what, code, body] of CHANGES) {
      expect([what, codeFor({ header: object.header, body })]).toEqual([what, code]);
    }
    expect(codeFor(object)).toBe('success');
  });

  it('open with the footer that fits, and mix no two footers', () => {
    const object = make(shape, 80, { dataKey });
    const again = sealFooter({ ...dataKey, layout: 2, late: object.late, parts: object.table });
    const parts = Buffer.concat(object.parts);
    expect(again.equals(object.footer)).toBe(false);
    expect(codeFor({ header: object.header, body: Buffer.concat([parts, again]) })).toBe('success');
    const { pad, box, locator } = footerPieces(object.footer);
    const mixed = Buffer.concat([parts, pad, footerPieces(again).table, box, locator]);
    expect(codeFor({ header: object.header, body: mixed })).toBe('TABLE_REFUSED');
    // A footer over other parts of the same upload does not vouch for these.
    const older = make(shape, 80, { dataKey });
    expect(codeFor({ header: object.header, body: Buffer.concat([parts, older.footer]) })).toBe('PART_HEADER_REFUSED');
  });

  it('share no part salt with another attempt', () => {
    const salts = [make(shape, 80, { dataKey }), make(shape, 80, { dataKey })].flatMap(({ table }) =>
      table.map(({ salt }) => salt.toString('hex')),
    );
    expect(new Set(salts).size).toBe(4);
  });

  it('open with 2,000 parts, some of them empty', () => {
    const parts = Array.from({ length: 2000 }, (_, i) => ({ number: 5 * (i + 1), plaintext: Buffer.alloc(i % 3, i) }));
    const object = sealObject({ root, name, layout: 2, parts });
    const opened = open(object);
    expect(opened.parts).toHaveLength(2000);
    expect(opened.plaintext.equals(Buffer.concat(parts.map(({ plaintext }) => plaintext)))).toBe(true);
  });
});

function present(part: Buffer | undefined): Buffer {
  if (part === undefined) throw new Error('The object has two parts.');
  return part;
}

function spliced(header: Buffer, segments: Buffer): Buffer {
  return Buffer.concat([header.subarray(0, 48), segments.subarray(48)]);
}
