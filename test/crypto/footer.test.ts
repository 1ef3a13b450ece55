/**
 * Protects the footer: its length is known before the body, it opens only with its own data key, table and attributes, and no
 * two footers of one upload share a salt.
 */
import { Buffer } from 'node:buffer';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type ChecksumAlgorithm,
  type EarlyAttributes,
  encodeAttributes,
  type LateAttributes,
} from '../../crypto/attributes.ts';
import { checkBody, checkPad, joinAttributes } from '../../crypto/body.ts';
import { checksumAlgorithms, checksumBytes } from '../../crypto/checksums.ts';
import { forNewFooter, newDataKey } from '../../crypto/data-key.ts';
import { Dek } from '../../crypto/dek.ts';
import {
  footerBytes,
  openFooterAttributes,
  openPartTable,
  type PartEntry,
  parseLocator,
  sealFooter,
} from '../../crypto/footer.ts';
import { LOCATOR_BYTES, sealedPartBytes } from '../../crypto/layout.ts';
import { canonicalBytes, lookUpBytes } from '../../crypto/stored-length.ts';
import { MAX_TABLE_BYTES, tableBytes } from '../../crypto/table.ts';
import { codeOf } from './expect-code.ts';
import { flipped, footerBox, footerPieces, lateOfTwoParts } from './forge.ts';

const dataKey = newDataKey();
const { dek } = dataKey;
const early: EarlyAttributes = { headers: [['content-type', 'a/b']], metadata: [['k', 'v']] };
const earlyOfSingle: EarlyAttributes = { ...early, size: 5, partSalt: Buffer.alloc(32, 1) };
const lateOfSingle: LateAttributes = { md5: Buffer.alloc(16, 2), partCount: 0, checksums: [] };
const parts: readonly PartEntry[] = [
  { number: 1, size: 70_000, salt: Buffer.alloc(32, 3), md5: Buffer.alloc(16, 4) },
  { number: 9, size: 5, salt: Buffer.alloc(32, 5), md5: Buffer.alloc(16, 6) },
];

function pieces(footer: Buffer) {
  const { pad, table, box } = footerPieces(footer);
  return { locator: parseLocator(footer), pad, table, box };
}

function openWhole(footer: Buffer, layout: 1 | 2 = 2) {
  const { box, locator } = pieces(footer);
  const attributes = openFooterAttributes({ ...dataKey, layout, sealed: box });
  const boxAt = footer.length - LOCATOR_BYTES - box.length;
  const table = footer.subarray(boxAt - (attributes.late.table?.bytes ?? 0), boxAt);
  const opened = layout === 2 ? openPartTable({ dek, late: attributes.late, sealed: table }) : [];
  return { ...attributes, parts: opened, locator };
}

describe('a footer', () => {
  it('gives back attributes and part table, and fills in what follows from the parts', () => {
    const opened = openWhole(sealFooter({ ...dataKey, layout: 2, early, late: lateOfTwoParts(), parts }));
    expect(opened.early).toEqual(early);
    expect(opened.parts).toEqual(parts);
    expect(opened.late).toMatchObject({ partCount: 2, size: 70_005 });
    expect(opened.late.table).toMatchObject({
      bytes: tableBytes(2, undefined),
      partsBytes: sealedPartBytes(70_000) + sealedPartBytes(5),
    });
    const single = openWhole(sealFooter({ ...dataKey, layout: 1, late: lateOfSingle, size: 5 }), 1);
    expect(single.early).toBeUndefined();
    expect(single.late).toMatchObject(lateOfSingle);
    expect(single.locator.tableBytes).toBe(0);
  });

  it('has a length that is known before the body', () => {
    const algorithms = fc.subarray([...checksumAlgorithms()]);
    const partChecksum = fc.option(fc.constantFrom(...checksumAlgorithms()), { nil: undefined });
    const text = fc.string({ unit: fc.constantFrom('a', 'ü', '\xff'), maxLength: 30 });
    fc.assert(
      fc.property(
        algorithms,
        partChecksum,
        fc.integer({ min: 1, max: 2000 }),
        fc.boolean(),
        text,
        (list, of, count, has, value) => {
          const withEarly = has
            ? { early: { headers: [['expires', value]] as const, metadata: [['m', value]] as const } }
            : {};
          const checksums = list.map((algorithm) => checksumOf(algorithm));
          const table = Array.from({ length: count }, (_, i) => ({
            number: i + 1,
            size: i,
            salt: Buffer.alloc(32, i),
            md5: Buffer.alloc(16, (i % 255) + 1),
            ...(of === undefined ? {} : { checksum: Buffer.alloc(checksumBytes(of)) }),
          }));
          const late = lateOfTwoParts({ partCount: count, checksums });
          const footer = sealFooter({ ...dataKey, layout: 2, ...withEarly, late, parts: table, partChecksum: of });
          const expected = footerBytes({
            layout: 2,
            ...withEarly,
            checksums: list,
            sizes: table.map((part) => part.size),
            partChecksum: of,
          });
          expect(footer.length).toBe(expected);
          expect(parseLocator(footer).endBytes + pieces(footer).pad.length).toBe(expected);
          expect(textOf(openWhole(footer).parts)).toBe(textOf(table));
        },
      ),
      { numRuns: 25 },
    );
    const unknown = { ...earlyOfSingle, size: 0, partSalt: Buffer.alloc(32) };
    for (const size of [0, 5, 2 ** 20, 2 ** 20 + 1, 2 ** 40]) {
      for (const lookUp of [false, true]) {
        const known = { ...earlyOfSingle, size };
        const single = sealFooter({ ...dataKey, layout: 1, early: known, late: lateOfSingle, size, lookUp });
        expect(single.length).toBe(footerBytes({ layout: 1, early: unknown, checksums: [], sizes: [size], lookUp }));
      }
    }
  });

  it('of the most parts and the longest checksum is the longest', () => {
    const table = Array.from({ length: 10_000 }, (_, i) => ({
      number: i + 1,
      size: i,
      salt: Buffer.alloc(32),
      md5: Buffer.alloc(16, 1),
      checksum: Buffer.alloc(64),
    }));
    const late = lateOfTwoParts({ partCount: 10_000 });
    const footer = sealFooter({ ...dataKey, layout: 2, late, parts: table, partChecksum: 'SHA512' });
    expect(parseLocator(footer).tableBytes).toBe(MAX_TABLE_BYTES);
    expect(MAX_TABLE_BYTES).toBe(1_220_304);
    expect(textOf(openWhole(footer).parts)).toBe(textOf(table));
  });

  it('repeats no salt when a Complete is repeated', () => {
    const salts = new Set<string>();
    for (let i = 0; i < 100; i++) {
      const { table, box } = pieces(sealFooter({ ...dataKey, layout: 2, late: lateOfTwoParts(), parts }));
      const reference = openFooterAttributes({ ...dataKey, layout: 2, sealed: box }).late.table;
      salts.add(box.toString('hex', 0, 32)).add(reference?.salt.toString('hex') ?? '');
      expect(table.length).toBe(reference?.bytes);
    }
    expect(salts.size).toBe(200);
  });

  it('is refused with any bit of attributes, table or locator changed', () => {
    const whole = sealFooter({ ...dataKey, layout: 2, late: lateOfTwoParts(), parts });
    const { table, box, pad } = pieces(whole);
    const footer = whole.subarray(pad.length);
    const codes = new Map<string, number>();
    for (let bit = 0; bit < footer.length * 8; bit++) {
      const at = bit >> 3;
      const changed = flipped(footer, at, 1 << (bit & 7));
      const code = codeOf(() => {
        const opened = openWhole(changed);
        const attributes = { early, late: opened.late, size: opened.late.size ?? 0 };
        const bodyBytes = (opened.late.table?.partsBytes ?? 0) + whole.length;
        checkBody({ layout: 2, attributes, locator: opened.locator, bodyBytes });
      });
      const isTable = at < table.length;
      const isBox = !isTable && at < table.length + box.length;
      const allowed = isTable
        ? ['TABLE_REFUSED']
        : isBox
          ? ['ATTRIBUTES_REFUSED']
          : ['LOCATOR_MALFORMED', 'ATTRIBUTES_REFUSED'];
      if (!allowed.includes(code)) throw new Error(`byte ${at} of ${footer.length}: ${code}`);
      codes.set(code, (codes.get(code) ?? 0) + 1);
    }
    expect([...codes.keys()].sort()).toEqual(['ATTRIBUTES_REFUSED', 'LOCATOR_MALFORMED', 'TABLE_REFUSED']);
  });

  it('is refused under another data key, binding or layout, and with the table of another footer', () => {
    const first = pieces(sealFooter({ ...dataKey, layout: 2, late: lateOfTwoParts(), parts }));
    const second = pieces(sealFooter({ ...dataKey, layout: 2, late: lateOfTwoParts(), parts }));
    const { late } = openFooterAttributes({ ...dataKey, layout: 2, sealed: first.box });
    const other = Dek.generate();
    expect(codeOf(() => openFooterAttributes({ ...dataKey, dek: other, layout: 2, sealed: first.box }))).toBe(
      'ATTRIBUTES_REFUSED',
    );
    const bound = forNewFooter(dataKey);
    expect(codeOf(() => openFooterAttributes({ ...bound, layout: 2, sealed: first.box }))).toBe('ATTRIBUTES_REFUSED');
    expect(codeOf(() => openFooterAttributes({ ...dataKey, layout: 1, sealed: first.box }))).toBe('ATTRIBUTES_REFUSED');
    expect(codeOf(() => openPartTable({ dek: other, late, sealed: first.table }))).toBe('TABLE_REFUSED');
    expect(codeOf(() => openPartTable({ dek, late, sealed: second.table }))).toBe('TABLE_REFUSED');
    for (let length = 0; length < first.table.length; length++) {
      expect(codeOf(() => openPartTable({ dek, late, sealed: first.table.subarray(0, length) }))).toBe('TABLE_REFUSED');
    }
  });

  const ILLEGAL: readonly (readonly [what: string, parts: readonly PartEntry[]])[] = [
    ['no parts', []],
    ['a part twice', [entry(1), entry(1)]],
    ['descending parts', [entry(2), entry(1)]],
    ['part 0', [entry(0), entry(1)]],
    ['part 10,001', [entry(1), entry(10_001)]],
    ['a part number that is not whole', [entry(1), entry(1.5)]],
    ['a checksum of one part only', [entry(1), { ...entry(2), checksum: Buffer.alloc(4) }]],
    ['a short salt', [entry(1), { ...entry(2), salt: Buffer.alloc(31) }]],
    ['a negative size', [entry(1), { ...entry(2), size: -1 }]],
    ['another count than announced', [entry(1)]],
  ];
  it.each(ILLEGAL)('is not sealed with %s', (_, illegal) => {
    expect(codeOfBug(() => sealFooter({ ...dataKey, layout: 2, late: lateOfTwoParts(), parts: illegal }))).toMatch(
      /^(Type|Range)Error$/,
    );
  });

  it('must have late attributes', () => {
    const sealed = footerBox({ ...dataKey, layout: 2, plaintext: encodeAttributes({ layout: 2, early }) });
    expect(codeOf(() => openFooterAttributes({ ...dataKey, layout: 2, sealed }))).toBe('ATTRIBUTES_MALFORMED');
  });

  it('is not sealed with parts in layout 1, without them in layout 2, or with another size', () => {
    expect(() => sealFooter({ ...dataKey, layout: 1, late: lateOfSingle, parts })).toThrow(TypeError);
    expect(() => sealFooter({ ...dataKey, layout: 2, late: lateOfTwoParts() })).toThrow(TypeError);
    expect(() => sealFooter({ ...dataKey, layout: 2, late: lateOfTwoParts({ size: 1 }), parts })).toThrow(RangeError);
  });
});

describe('a locator', () => {
  it('is the last 24 bytes, and bounded', () => {
    const footer = sealFooter({ ...dataKey, layout: 2, late: lateOfTwoParts(), parts });
    const expected = parseLocator(footer);
    expect(expected.endBytes + pieces(footer).pad.length).toBe(footer.length);
    expect(parseLocator(Buffer.concat([Buffer.alloc(99), footer]))).toEqual(expected);
    expect(parseLocator(footer.subarray(-LOCATOR_BYTES))).toEqual(expected);
    for (let length = 0; length < LOCATOR_BYTES; length++) {
      const tail = length === 0 ? Buffer.alloc(0) : footer.subarray(-length);
      expect(codeOf(() => parseLocator(tail))).toBe('LOCATOR_MALFORMED');
    }
    const locator = footer.subarray(-LOCATOR_BYTES);
    const bounds = [
      [16, 48, false],
      [16, 49, true],
      [16, 65_584, true],
      [16, 65_585, false],
      [16, 0xffff_ffff, false],
      [20, 0, true],
      [20, MAX_TABLE_BYTES, true],
      [20, MAX_TABLE_BYTES + 1, false],
      [20, 0xffff_ffff, false],
    ] as const;
    for (const [at, value, isLegal] of bounds) {
      const changed = Buffer.from(locator);
      changed.writeUInt32BE(value, at);
      expect(codeOf(() => parseLocator(changed))).toBe(isLegal ? 'success' : 'LOCATOR_MALFORMED');
    }
  });
});

describe('a body', () => {
  const header = { ...dataKey, layout: 1, epoch: 1 } as const;

  it('takes early attributes of the header before those of the footer', () => {
    const old = { early: { ...earlyOfSingle, metadata: [] }, late: lateOfSingle };
    expect(joinAttributes({ ...header, early: earlyOfSingle }, old).early).toBe(earlyOfSingle);
    expect(joinAttributes(header, old).early).toBe(old.early);
    expect(codeOf(() => joinAttributes(header, { late: lateOfSingle }))).toBe('ATTRIBUTES_MALFORMED');
    expect(codeOf(() => joinAttributes({ ...header, early: earlyOfSingle }, undefined))).toBe('ATTRIBUTES_MALFORMED');
  });

  it('has exactly the length that its attributes give', () => {
    const locator = { attributesBytes: 100, tableBytes: 0, endBytes: 124 };
    const exact = lookUpBytes(sealedPartBytes(5) + 124);
    const late = { ...lateOfSingle, padBytes: exact - sealedPartBytes(5) - 124 };
    const attributes = { early: earlyOfSingle, late, size: 5 };
    for (const [bodyBytes, code] of [
      [exact, 'success'],
      [exact - 1, 'LENGTH_MISMATCH'],
      [exact + 1, 'LENGTH_MISMATCH'],
    ] as const) {
      expect(codeOf(() => checkBody({ layout: 1, attributes, locator, bodyBytes }))).toBe(code);
    }
    const other = { ...locator, tableBytes: 1, endBytes: 125 };
    expect(codeOf(() => checkBody({ layout: 1, attributes, locator: other, bodyBytes: exact + 1 }))).toBe(
      'LOCATOR_MALFORMED',
    );
    expect(codeOf(() => checkBody({ layout: 0, attributes, bodyBytes: sealedPartBytes(5) }))).toBe('success');
    expect(codeOf(() => checkBody({ layout: 0, attributes, bodyBytes: sealedPartBytes(6) }))).toBe('LENGTH_MISMATCH');
    expect(() => checkBody({ layout: 1, attributes, bodyBytes: exact })).toThrow(TypeError);
  });

  it('has no length that tells the size of another, and in layout 0 no more than 1 MiB', () => {
    const locator = { attributesBytes: 100, tableBytes: 0, endBytes: 124 };
    const single = (size: number, padBytes: number) => {
      const attributes = { early: earlyOfSingle, late: { ...lateOfSingle, padBytes }, size };
      const bodyBytes = sealedPartBytes(size) + padBytes + locator.endBytes;
      return codeOf(() => checkBody({ layout: 1, attributes, locator, bodyBytes }));
    };
    const room = (size: number) => canonicalBytes(size) - sealedPartBytes(size) - locator.endBytes;
    for (const size of [2 ** 20 + 7, 5 * 2 ** 20 + 9, 2 ** 40 + 5]) {
      expect(single(size, room(size))).toBe('success');
      expect(single(size, room(size) - 1)).toBe('ATTRIBUTES_MALFORMED');
      expect(single(size, lookUpBytes(canonicalBytes(size)) - sealedPartBytes(size) - locator.endBytes)).toBe(
        'success',
      );
    }
    expect(single(5, 0)).toBe('ATTRIBUTES_MALFORMED');
    const small = (size: number) => {
      const attributes = { early: earlyOfSingle, late: lateOfSingle, size };
      return codeOf(() => checkBody({ layout: 0, attributes, bodyBytes: sealedPartBytes(size) }));
    };
    expect(small(2 ** 20)).toBe('success');
    expect(small(2 ** 20 + 1)).toBe('ATTRIBUTES_MALFORMED');
  });

  it('has a pad of zeros', () => {
    expect(codeOf(() => checkPad(Buffer.alloc(1000)))).toBe('success');
    expect(codeOf(() => checkPad(Buffer.alloc(0)))).toBe('success');
    for (const at of [0, 500, 999]) expect(codeOf(() => checkPad(flipped(Buffer.alloc(1000), at)))).toBe('PAD_REFUSED');
  });
});

function checksumOf(algorithm: ChecksumAlgorithm) {
  return { algorithm, type: 'COMPOSITE' as const, value: Buffer.alloc(checksumBytes(algorithm), 7) };
}

/** One line a part: comparing thousands of buffers one by one is slow. */
function textOf(parts: readonly PartEntry[]): string {
  const line = ({ number, size, salt, md5, checksum }: PartEntry) =>
    [number, size, salt.toString('hex'), md5?.toString('hex'), checksum?.toString('hex')].join(' ');
  return parts.map(line).join('\n');
}

function entry(number: number): PartEntry {
  return { number, size: 1, salt: Buffer.alloc(32), md5: Buffer.alloc(16) };
}

function codeOfBug(call: () => unknown): string {
  try {
    call();
    return 'success';
  } catch (error) {
    return error instanceof Error ? error.name : 'not an error';
  }
}
