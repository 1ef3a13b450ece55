/**
 * Protects the encoding of attributes: everything comes back exactly, one set has one encoding, and what a writer would not
 * write is refused.
 */
import { Buffer } from 'node:buffer';
import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import {
  type EarlyAttributes,
  encodeAttributes,
  type LateAttributes,
  MAX_ATTRIBUTES_BYTES,
  SEALED_HEADERS,
} from '../../crypto/attributes.ts';
import { decodeAttributes } from '../../crypto/attributes-decode.ts';
import { type ChecksumAlgorithm, checksumAlgorithms, checksumBytes, checksumOfId } from '../../crypto/checksums.ts';
import type { Layout } from '../../crypto/layout.ts';
import { MAX_PAD_BYTES } from '../../crypto/stored-length.ts';
import { codeOf } from './expect-code.ts';
import { attribute } from './forge.ts';
import { MALFORMED_ATTRIBUTES } from './vectors/attributes.ts';

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length }).map((b) => Buffer.from(b));
const byteString = fc.uint8Array({ maxLength: 40 }).map((b) => Buffer.from(b).toString('latin1'));
const size = fc.maxSafeNat().map((n) => n % (2 ** 48 + 1));
const headers = fc
  .subarray([...SEALED_HEADERS])
  .chain((names) => fc.tuple(...names.map((name) => byteString.map((value): [string, string] => [name, value]))));
const metadata = fc.uniqueArray(
  fc.tuple(
    byteString.filter((name) => name !== ''),
    byteString,
  ),
  { selector: ([name]) => name, maxLength: 8 },
);
const checksums = fc.subarray([...checksumAlgorithms()]).chain((algorithms) =>
  fc.tuple(
    ...algorithms.map((algorithm) =>
      fc.record({
        algorithm: fc.constant(algorithm),
        type: fc.constantFrom('FULL_OBJECT' as const, 'COMPOSITE' as const),
        value: bytes(checksumBytes(algorithm)),
      }),
    ),
  ),
);
const single = fc.record({ size, partSalt: bytes(32), headers, metadata });
const multipart = fc.record({ headers, metadata });
/** Or none: zeros are no MD5. */
const md5 = fc.option(
  bytes(16).filter((digest) => digest.some((byte) => byte !== 0)),
  { nil: undefined },
);
const lateOfSmall = fc.record({ md5, partCount: fc.constantFrom(0, 1), checksums });
const pad = fc.integer({ min: 0, max: MAX_PAD_BYTES });
const lateOfSingle = fc.record({ md5, partCount: fc.constantFrom(0, 1), checksums, padBytes: pad });
const table = fc
  .tuple(
    fc.record({ salt: bytes(32), bytes: fc.nat(2 ** 31 - 1), sha256: bytes(32), partsBytes: size }),
    fc.option(fc.constantFrom(...checksumAlgorithms()), { nil: undefined }),
  )
  .map(([reference, checksum]) => ({ ...reference, ...(checksum === undefined ? {} : { checksum }) }));
const lateOfMultipart = fc.record({
  md5,
  partCount: fc.integer({ min: 1, max: 10_000 }),
  size,
  checksums,
  table,
  uploadFingerprint: bytes(32),
  padBytes: pad,
});
const attributes = fc.oneof(
  fc.record({ layout: fc.constant<Layout>(0), early: single, late: lateOfSmall }),
  fc.record({ layout: fc.constant<Layout>(1), early: single, late: lateOfSingle }),
  fc.record({ layout: fc.constant<Layout>(2), early: multipart, late: lateOfMultipart }),
);

describe('the encoding of attributes', () => {
  it('gives everything back, each kind alone and both together', () => {
    fc.assert(
      fc.property(attributes, ({ layout, early, late }) => {
        expect(decodeAttributes(layout, encodeAttributes({ layout, early, late }))).toEqual({ early, late });
        expect(decodeAttributes(layout, encodeAttributes({ layout, early }))).toEqual({ early });
        expect(decodeAttributes(layout, encodeAttributes({ layout, late }))).toEqual({ late });
      }),
    );
  });

  it('is the same whatever the order of headers and checksums', () => {
    fc.assert(
      fc.property(attributes, ({ layout, early, late }) => {
        const turned = {
          layout,
          early: { ...early, headers: early.headers.toReversed() },
          late: { ...late, checksums: late.checksums.toReversed() },
        };
        expect(encodeAttributes(turned)).toEqual(encodeAttributes({ layout, early, late }));
      }),
    );
  });

  it('has one reading: what decodes encodes to the same bytes, and every other input is refused', () => {
    let decoded = 0;
    fc.assert(
      fc.property(attributes, fc.nat(), fc.integer({ min: 1, max: 255 }), ({ layout, early, late }, position, mask) => {
        const changed = encodeAttributes({ layout, early, late });
        const at = position % changed.length;
        changed[at] = (changed[at] ?? 0) ^ mask;
        const code = codeOf(() => {
          expect(encodeAttributes({ layout, ...decodeAttributes(layout, changed) })).toEqual(changed);
          decoded += 1;
        });
        expect(['success', 'ATTRIBUTES_MALFORMED']).toContain(code);
      }),
      { numRuns: 1000 },
    );
    expect(decoded).toBeGreaterThan(0);
  });

  it('throws nothing but FormatError on any bytes', () => {
    const anyBytes = fc.uint8Array({ maxLength: 200 }).map((b) => Buffer.from(b));
    fc.assert(
      fc.property(fc.constantFrom<Layout>(0, 1, 2), fc.constantFrom(1, 2, 3), anyBytes, (layout, contents, rest) => {
        const encoded = Buffer.concat([Buffer.of(contents), rest]);
        expect(['success', 'ATTRIBUTES_MALFORMED']).toContain(codeOf(() => decodeAttributes(layout, encoded)));
      }),
      { numRuns: 2000 },
    );
  });

  it.each(Object.entries(MALFORMED_ATTRIBUTES))('refuses %s', (name, encoded) => {
    // Two of the table are well formed, but not what a header of layout 0 must hold: openHeader refuses those.
    const isWellFormed = name === 'late-missing' || name === 'early-missing';
    expect(codeOf(() => decodeAttributes(0, encoded))).toBe(isWellFormed ? 'success' : 'ATTRIBUTES_MALFORMED');
  });

  it('is refused when cut at any length, or followed by an entry', () => {
    const early: EarlyAttributes = { headers: [['expires', '0']], metadata: [['a', 'b']] };
    const late: LateAttributes = {
      md5: Buffer.alloc(16),
      partCount: 3,
      size: 9,
      checksums: [{ algorithm: 'CRC32', type: 'FULL_OBJECT', value: Buffer.alloc(4) }],
      table: { salt: Buffer.alloc(32), bytes: 1, sha256: Buffer.alloc(32), partsBytes: 1 },
      uploadFingerprint: Buffer.alloc(32),
      padBytes: MAX_PAD_BYTES,
    };
    const encoded = encodeAttributes({ layout: 2, early, late });
    for (let length = 0; length < encoded.length; length++) {
      expect(codeOf(() => decodeAttributes(2, encoded.subarray(0, length)))).toBe('ATTRIBUTES_MALFORMED');
    }
    const followed = Buffer.concat([encoded, attribute(0x16, Buffer.alloc(0))]);
    expect(codeOf(() => decodeAttributes(2, followed))).toBe('ATTRIBUTES_MALFORMED');
    expect(codeOf(() => decodeAttributes(1, encoded))).toBe('ATTRIBUTES_MALFORMED');
    const tooLong = encodeAttributes({ layout: 2, early, late: { ...late, padBytes: MAX_PAD_BYTES + 1 } });
    expect(codeOf(() => decodeAttributes(2, tooLong))).toBe('ATTRIBUTES_MALFORMED');
  });

  it('is refused beyond its limit, at which it is not', () => {
    const named = (name: string, length: number) =>
      attribute(0x04, Buffer.concat([Buffer.of(0, 1), Buffer.from(name), Buffer.alloc(length)]));
    const encoded = (excess: number) => Buffer.concat([Buffer.of(1), named('a', 40_000), named('b', 25_523 + excess)]);
    expect(encoded(0)).toHaveLength(MAX_ATTRIBUTES_BYTES);
    expect(codeOf(() => decodeAttributes(2, encoded(0)))).toBe('success');
    expect(codeOf(() => decodeAttributes(2, encoded(1)))).toBe('ATTRIBUTES_MALFORMED');
  });
});

describe('attributes that a layout does not allow', () => {
  const early: EarlyAttributes = { size: 1, partSalt: Buffer.alloc(32), headers: [], metadata: [] };
  const late: LateAttributes = { md5: Buffer.alloc(16), partCount: 0, checksums: [] };
  const checksum = { algorithm: 'CRC32', type: 'FULL_OBJECT', value: Buffer.alloc(4) } as const;
  const CASES: readonly (readonly [what: string, layout: Layout, early: EarlyAttributes, late: LateAttributes])[] = [
    ['no size', 0, { partSalt: Buffer.alloc(32), headers: [], metadata: [] }, late],
    ['no part salt', 1, { size: 1, headers: [], metadata: [] }, late],
    ['a size beyond 2^48', 1, { ...early, size: 2 ** 48 + 1 }, late],
    ['a negative size', 1, { ...early, size: -1 }, late],
    ['a short salt', 0, { ...early, partSalt: Buffer.alloc(31) }, late],
    ['a part salt in layout 2', 2, early, late],
    ['a header that is not sealed', 0, { ...early, headers: [['x-other', '']] }, late],
    ['a header in upper case', 0, { ...early, headers: [['Content-Type', '']] }, late],
    [
      'a header twice',
      0,
      {
        ...early,
        headers: [
          ['expires', '0'],
          ['expires', '1'],
        ],
      },
      late,
    ],
    ['characters that are no bytes', 0, { ...early, metadata: [['a', '€']] }, late],
    ['a name that is no byte string', 0, { ...early, metadata: [['€', 'a']] }, late],
    ['an empty name', 0, { ...early, metadata: [['', 'a']] }, late],
    [
      'a name twice',
      0,
      {
        ...early,
        metadata: [
          ['a', '1'],
          ['a', '2'],
        ],
      },
      late,
    ],
    ['a value of 64 KiB', 0, { ...early, metadata: [['a', 'x'.repeat(65536)]] }, late],
    [
      'two values of 40 KiB',
      0,
      {
        ...early,
        metadata: [
          ['a', 'x'.repeat(40000)],
          ['b', 'x'.repeat(40000)],
        ],
      },
      late,
    ],
    ['a short MD5', 0, early, { ...late, md5: Buffer.alloc(15) }],
    ['two parts in one', 0, early, { ...late, partCount: 2 }],
    ['a late size', 1, early, { ...late, size: 1 }],
    ['a fingerprint without parts', 1, early, { ...late, uploadFingerprint: Buffer.alloc(32) }],
    ['a checksum twice', 0, early, { ...late, checksums: [checksum, checksum] }],
    ['a short checksum', 0, early, { ...late, checksums: [{ ...checksum, value: Buffer.alloc(3) }] }],
    [
      'parts without a table',
      2,
      { headers: [], metadata: [] },
      { ...late, partCount: 1, size: 1, uploadFingerprint: Buffer.alloc(32) },
    ],
    ['no parts in layout 2', 2, { headers: [], metadata: [] }, { ...late, size: 0 }],
    ['a pad in layout 0', 0, early, { ...late, padBytes: 0 }],
    ['a pad that is no number of bytes', 1, early, { ...late, padBytes: -1 }],
  ];
  it.each(CASES)('%s', (_, layout, ofEarly, ofLate) => {
    expect(
      codeOfOwnBug(() =>
        encodeAttributes({ layout, early: ofEarly, late: layout === 0 ? ofLate : { padBytes: 0, ...ofLate } }),
      ),
    ).toMatch(/^(Type|Range)Error$/);
  });
});

test('a layout with a footer has a pad, if only an empty one', () => {
  const early: EarlyAttributes = { size: 1, partSalt: Buffer.alloc(32), headers: [], metadata: [] };
  const late: LateAttributes = { md5: Buffer.alloc(16), partCount: 0, checksums: [] };
  expect(() => encodeAttributes({ layout: 1, early, late })).toThrow(TypeError);
  expect(() => encodeAttributes({ layout: 1, early, late: { ...late, padBytes: 0 } })).not.toThrow();
});

describe('checksum algorithms', () => {
  it('have the ids and lengths of the format', () => {
    const expected: readonly (readonly [ChecksumAlgorithm, number])[] = [
      ['CRC32', 4],
      ['CRC32C', 4],
      ['CRC64NVME', 8],
      ['SHA1', 20],
      ['SHA256', 32],
      ['SHA512', 64],
      ['MD5', 16],
      ['XXHASH64', 8],
      ['XXHASH3', 8],
      ['XXHASH128', 16],
    ];
    expect(expected.map(([algorithm]) => algorithm)).toEqual(checksumAlgorithms());
    expected.forEach(([algorithm, length], i) => {
      expect(checksumOfId(i + 1)).toBe(algorithm);
      expect(checksumBytes(algorithm)).toBe(length);
    });
    expect([0, 11, 255].map(checksumOfId)).toEqual([undefined, undefined, undefined]);
  });
});

function codeOfOwnBug(call: () => unknown): string {
  try {
    call();
    return 'success';
  } catch (error) {
    return error instanceof Error ? error.name : 'not an error';
  }
}
