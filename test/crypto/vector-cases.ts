/**
 * The vectors: what each holds and what an implementation must answer (FORMAT.md section 15). Written to files by
 * test/vectors/make.ts.
 */
import { Buffer } from 'node:buffer';
import { createHash, createSecretKey } from 'node:crypto';
import { type ChecksumAlgorithm, encodeAttributes } from '../../crypto/attributes.ts';
import { uint16, uint64 } from '../../crypto/bytes.ts';
import { checksumAlgorithms, checksumBytes } from '../../crypto/checksums.ts';
import { Dek } from '../../crypto/dek.ts';
import { sealFooter } from '../../crypto/footer.ts';
import { type ObjectName, type SealedHeader, sealHeader } from '../../crypto/header.ts';
import { SEALED_SEGMENT_BYTES } from '../../crypto/layout.ts';
import { attribute, flipped, footerBox, forgeHeader, forgeTable, headerBox, locatorFor, withField } from './forge.ts';
import { md5, type ObjectPlan, type SealedObject, type StoredObject, sealObject, singlePart } from './object.ts';

export const ROOTS: ReadonlyMap<number, Buffer> = new Map([
  [1, Buffer.alloc(32, 0x11)],
  [2, Buffer.alloc(32, 0x22)],
]);
export const NAME: ObjectName = { tenant: Buffer.alloc(12, 0x7e), bucket: 'vectors', key: 'a b+ü%/../x.txt' };
const root = createSecretKey(Buffer.alloc(32, 0x11));

export interface VectorCase {
  readonly file: string;
  readonly comment: string;
  /** `success` or an error code. */
  readonly result: string;
  /** Under what name the reader opens; NAME when absent. */
  readonly name?: ObjectName;
  readonly make: () => StoredObject | SealedObject;
}

/** Bytes that do not repeat with the segment: SHAKE256 of a label. Shorter patterns are the beginning of longer ones. */
export function pattern(length: number, label = 'plaintext'): Buffer {
  return length === 0 ? Buffer.alloc(0) : createHash('shake256', { outputLength: length }).update(label).digest();
}

const metadata = [
  ['colour', 'blue'],
  ['mtime', '1700000000.123456789'],
  ['bytes', '\x80\xff caf\xc3\xa9'],
  ['empty', ''],
] as const;
const headers = [
  ['content-type', 'text/plain; charset=utf-8'],
  ['content-disposition', 'attachment; filename="x.txt"'],
  ['expires', 'Thu, 01 Dec 1994 16:00:00 GMT'],
] as const;

function checksum(algorithm: ChecksumAlgorithm, label: string) {
  return { algorithm, type: 'FULL_OBJECT' as const, value: pattern(checksumBytes(algorithm), `${algorithm} ${label}`) };
}

function single(layout: 0 | 1, bytes: number, more: Partial<ObjectPlan> = {}): SealedObject {
  return sealObject({ root, name: NAME, layout, parts: singlePart(pattern(bytes)), ...more });
}

function multipart(sizes: readonly (readonly [number: number, bytes: number])[], more: Partial<ObjectPlan> = {}) {
  const parts = sizes.map(([number, bytes]) => ({ number, plaintext: pattern(bytes, `part ${number}`) }));
  return sealObject({ root, name: NAME, layout: 2, parts, ...more });
}

const twoParts = (more: Partial<ObjectPlan> = {}) =>
  multipart(
    [
      [1, 70],
      [5, 70],
    ],
    more,
  );

const GOOD: readonly VectorCase[] = [
  ok('small-empty', 'An empty object: one empty last segment.', () => single(0, 0)),
  ok('small-1', 'One byte, with headers and metadata, bytes above 7f included.', () =>
    single(0, 1, { headers, metadata }),
  ),
  ok('small-65535', 'One byte less than a segment.', () => single(0, 65535)),
  ok('small-65536', 'Exactly one segment, which is the last.', () => single(0, 65536)),
  ok('small-65537', 'A whole segment and one byte.', () => single(0, 65537)),
  ok('small-epoch-2', 'Sealed under the second epoch.', () =>
    single(0, 3, { epoch: 2, root: createSecretKey(Buffer.alloc(32, 0x22)) }),
  ),
  ok('small-every-checksum', 'Every checksum algorithm, both types.', () =>
    single(0, 5, {
      checksums: checksumAlgorithms().map((algorithm, i) => ({
        ...checksum(algorithm, 'whole'),
        type: i % 2 === 0 ? 'FULL_OBJECT' : 'COMPOSITE',
      })),
    }),
  ),
  ok('small-every-header', 'Every content header, given in another order than sealed, one empty.', () =>
    single(0, 5, {
      headers: [
        ['expires', '0'],
        ['content-language', 'de, en'],
        ['content-encoding', ''],
        ...headers.slice(0, 2),
        ['cache-control', 'no-cache'],
      ],
    }),
  ),
  {
    ...ok('small-long-key', 'An object key of 1,024 bytes of UTF-8.', () =>
      single(0, 5, { name: { ...NAME, key: 'ü'.repeat(512) } }),
    ),
    name: { ...NAME, key: 'ü'.repeat(512) },
  },
  ok('small-rewritten-multipart', 'Layout 0 with an ETag that ends in -1.', () => {
    const object = single(0, 9);
    const late = { ...object.late, partCount: 1 };
    const attributes = { early: object.early, late };
    return {
      header: sealHeader({ root, epoch: 1, name: NAME, dek: object.dek, layout: 0, attributes }),
      body: object.body,
    };
  }),
  ok('single-header', 'Layout 1, early attributes in the header.', () =>
    single(1, 65540, { headers, metadata, checksums: [checksum('CRC64NVME', 'whole')] }),
  ),
  ok('single-footer', 'Layout 1, early attributes in the footer.', () =>
    single(1, 20, { inFooter: true, headers, metadata }),
  ),
  ok('single-empty', 'Layout 1 and no plaintext.', () => single(1, 0)),
  ok('single-old-footer', 'Early attributes in the header count; older ones in the footer are ignored.', () => {
    const object = single(1, 20, { inFooter: true, headers, metadata });
    const attributes = { early: { ...object.early, metadata: [['colour', 'red']] as const } };
    return {
      header: sealHeader({ root, epoch: 1, name: NAME, dek: object.dek, layout: 1, attributes }),
      body: object.body,
    };
  }),
  ok('multipart-one', 'One part.', () => multipart([[1, 10]])),
  ok('multipart-gaps', 'Parts 1, 5 and 10,000, with part checksums; the last part is empty.', () =>
    sealObject({
      root,
      name: NAME,
      layout: 2,
      headers,
      metadata,
      partChecksum: 'CRC32C',
      checksums: [{ ...checksum('CRC32C', 'whole'), type: 'COMPOSITE' }],
      parts: (
        [
          [1, 65537],
          [5, 65536],
          [10000, 0],
        ] as const
      ).map(([number, bytes]) => ({
        number,
        plaintext: pattern(bytes, `part ${number}`),
        checksum: pattern(4, `checksum ${number}`),
      })),
    }),
  ),
  ok('multipart-footer', 'Early attributes in the footer.', () => twoParts({ inFooter: true, headers, metadata })),
  ok('multipart-long-table', 'A part table of two segments.', () =>
    multipart(Array.from({ length: 1130 }, (_, i) => [i + 1, i % 3] as const)),
  ),
];

const HEADER: readonly VectorCase[] = [
  bad('algo-missing', 'UNKNOWN_ALGORITHM', 'enc-algo is missing.', () => {
    const { header, body } = single(0, 1);
    const { 'enc-algo': _, ...rest } = header;
    return { header: rest as SealedHeader, body };
  }),
  badHeader('algo-unknown', 'UNKNOWN_ALGORITHM', 'A later version.', (h) => ({ ...h, 'enc-algo': 'sealgate-2' })),
  badHeader('algo-case', 'UNKNOWN_ALGORITHM', 'Another spelling.', (h) => ({ ...h, 'enc-algo': 'Sealgate-1' })),
  badHeader(
    'dek-short',
    'HEADER_MALFORMED',
    'enc-dek lacks a byte.',
    dek((b) => b.subarray(0, -1)),
  ),
  badHeader(
    'dek-long',
    'HEADER_MALFORMED',
    'enc-dek has a byte more.',
    dek((b) => Buffer.concat([b, Buffer.of(0)])),
  ),
  badHeader('dek-bits', 'HEADER_MALFORMED', 'Unused bits of the last character are set.', (h) => ({
    ...h,
    'enc-dek': h['enc-dek'].slice(0, -1) + nextCharacter(h['enc-dek'].slice(-1)),
  })),
  badHeader('dek-padding', 'HEADER_MALFORMED', 'enc-dek is padded.', (h) => ({ ...h, 'enc-dek': `${h['enc-dek']}==` })),
  badHeader(
    'dek-layout-3',
    'HEADER_MALFORMED',
    'A layout that does not exist.',
    dek((b) => set(b, 0, 3)),
  ),
  badHeader(
    'dek-small-in-footer',
    'HEADER_MALFORMED',
    'Layout 0 with location 1.',
    dek((b) => set(b, 1, 1)),
  ),
  badHeader(
    'dek-location-2',
    'HEADER_MALFORMED',
    'A location that does not exist.',
    dek((b) => set(b, 1, 2)),
  ),
  bad(
    'attrs-stripped',
    'HEADER_MALFORMED',
    'enc-attrs taken away, so that older ones in the footer would count.',
    () => {
      const object = single(1, 20, { inFooter: true });
      const { early } = object;
      const resealed = sealHeader({ root, epoch: 1, name: NAME, dek: object.dek, layout: 1, attributes: { early } });
      const { 'enc-attrs': _, ...rest } = resealed;
      return { header: rest, body: object.body };
    },
  ),
  bad('attrs-added', 'HEADER_MALFORMED', 'enc-attrs added to an object that has them in the footer.', () => {
    const object = single(1, 20, { inFooter: true });
    return { header: { ...object.header, 'enc-attrs': single(1, 20).header['enc-attrs'] ?? '' }, body: object.body };
  }),
  badHeader('tenant-case', 'HEADER_MALFORMED', 'enc-tenant in upper case.', (h) => ({
    ...h,
    'enc-tenant': h['enc-tenant'].toUpperCase(),
  })),
  badHeader('tenant-other', 'HEADER_REFUSED', 'enc-tenant names another tenant.', (h) => ({
    ...h,
    'enc-tenant': `${h['enc-tenant'].slice(0, -1)}0`,
  })),
  {
    ...ok('name-tenant', 'Opened by another tenant.', () => single(0, 1)),
    result: 'HEADER_REFUSED',
    name: { ...NAME, tenant: Buffer.alloc(12, 0x7f) },
  },
  {
    ...ok('name-bucket', 'Moved to another bucket.', () => single(0, 1)),
    result: 'HEADER_REFUSED',
    name: { ...NAME, bucket: 'vectorz' },
  },
  {
    ...ok('name-key', 'Moved to another key.', () => single(0, 1)),
    result: 'HEADER_REFUSED',
    name: { ...NAME, key: 'x' },
  },
  {
    ...ok('name-boundary', 'Bucket and key cut at another place.', () => single(0, 1)),
    result: 'HEADER_REFUSED',
    name: { ...NAME, bucket: 'vector', key: `s${NAME.key}` },
  },
  bad('root-other', 'HEADER_REFUSED', 'Sealed under another root key.', () =>
    single(0, 1, { root: createSecretKey(Buffer.alloc(32, 0x33)) }),
  ),
  badHeader(
    'epoch-unknown',
    'UNKNOWN_EPOCH',
    'An epoch newer than the keyring.',
    dek((b) => set(b, 5, 9)),
  ),
  badHeader(
    'epoch-other',
    'HEADER_REFUSED',
    'The epoch changed to another known one.',
    dek((b) => set(b, 5, 2)),
  ),
  badHeader(
    'dek-salt',
    'HEADER_REFUSED',
    'A bit of the object salt.',
    dek((b) => flipped(b, 6)),
  ),
  badHeader(
    'dek-wrapped',
    'HEADER_REFUSED',
    'A bit of the wrapped key.',
    dek((b) => flipped(b, 40)),
  ),
  badHeader(
    'dek-tag',
    'HEADER_REFUSED',
    'A bit of the tag of the wrap.',
    dek((b) => flipped(b, 85)),
  ),
  badHeader(
    'dek-commitment',
    'HEADER_REFUSED',
    'A bit of the commitment.',
    dek((b) => flipped(b, 117)),
  ),
  bad('dek-layout', 'HEADER_REFUSED', 'Layout 1 made layout 2.', () => {
    const { header, body } = single(1, 20);
    return { header: withField(header, 'enc-dek', (b) => set(b, 0, 2)), body };
  }),
  bad('commitment-other', 'HEADER_REFUSED', 'The wrap opens, but its commitment is that of another data key.', () => {
    const object = single(1, 20, { inFooter: true });
    const header = forgeHeader({ root, name: NAME, dek: object.dek, layout: 1, commitment: Buffer.alloc(32, 5) });
    return { header, body: object.body };
  }),
  badHeader('attrs-flipped', 'HEADER_REFUSED', 'A bit of enc-attrs.', (h) =>
    withField(h, 'enc-attrs', (b) => flipped(b, 40)),
  ),
  bad('attrs-exchanged', 'HEADER_REFUSED', 'enc-attrs of another sealing of the same object.', () => {
    const object = single(0, 1);
    const { early, late } = object;
    const again = sealHeader({ root, epoch: 1, name: NAME, dek: object.dek, layout: 0, attributes: { early, late } });
    return { header: { ...object.header, 'enc-attrs': again['enc-attrs'] ?? '' }, body: object.body };
  }),
  bad(
    'attrs-of-footer',
    'ATTRIBUTES_REFUSED',
    "A footer's box in the header, wrapped by someone with the root key.",
    () => {
      const object = single(0, 1);
      const plaintext = encodeAttributes({ layout: 0, early: object.early, late: object.late });
      const box = footerBox({ dek: object.dek, layout: 0, plaintext });
      return { header: forgeHeader({ root, name: NAME, dek: object.dek, layout: 0, box }), body: object.body };
    },
  ),
];

const SIZE = attribute(0x01, uint64(1));
const SALT = attribute(0x02, Buffer.alloc(32, 1));
const ETAG = attribute(0x10, Buffer.alloc(18));

/** Encodings that no writer may produce, by the name of the vector. */
export const MALFORMED_ATTRIBUTES: Readonly<Record<string, Buffer>> = {
  empty: Buffer.alloc(0),
  'contents-0': bytes(Buffer.of(0)),
  'contents-4': bytes(Buffer.of(4), SIZE, SALT, ETAG),
  'late-missing': bytes(Buffer.of(1), SIZE, SALT),
  'early-missing': bytes(Buffer.of(2), ETAG),
  'size-missing': bytes(Buffer.of(3), SALT, ETAG),
  'size-twice': bytes(Buffer.of(3), SIZE, SIZE, SALT, ETAG),
  'size-short': bytes(Buffer.of(3), attribute(0x01, Buffer.alloc(7)), SALT, ETAG),
  'size-huge': bytes(Buffer.of(3), attribute(0x01, Buffer.alloc(8, 0xff)), SALT, ETAG),
  'salt-missing': bytes(Buffer.of(3), SIZE, ETAG),
  order: bytes(Buffer.of(3), SALT, SIZE, ETAG),
  'tag-unknown': bytes(Buffer.of(3), SIZE, SALT, attribute(0x05, Buffer.of(1)), ETAG),
  trailing: bytes(Buffer.of(3), SIZE, SALT, ETAG, Buffer.of(0)),
  cut: bytes(Buffer.of(3), SIZE, SALT, ETAG).subarray(0, -1),
  'header-unknown': bytes(Buffer.of(3), SIZE, SALT, attribute(0x03, Buffer.of(7, 65)), ETAG),
  'header-empty': bytes(Buffer.of(3), SIZE, SALT, attribute(0x03, Buffer.alloc(0)), ETAG),
  'header-twice': bytes(
    Buffer.of(3),
    SIZE,
    SALT,
    attribute(0x03, Buffer.of(1, 65)),
    attribute(0x03, Buffer.of(1, 66)),
    ETAG,
  ),
  'metadata-unnamed': bytes(Buffer.of(3), SIZE, SALT, attribute(0x04, Buffer.of(0, 0, 65)), ETAG),
  'metadata-overrun': bytes(Buffer.of(3), SIZE, SALT, attribute(0x04, Buffer.of(0, 9, 65)), ETAG),
  'metadata-twice': bytes(
    Buffer.of(3),
    SIZE,
    SALT,
    attribute(0x04, Buffer.of(0, 1, 65, 1)),
    attribute(0x04, Buffer.of(0, 1, 65, 2)),
    ETAG,
  ),
  'part-count-2': bytes(Buffer.of(3), SIZE, SALT, attribute(0x10, bytes(Buffer.alloc(16), uint16(2)))),
  'checksum-id': bytes(Buffer.of(3), SIZE, SALT, ETAG, attribute(0x12, Buffer.of(11, 1, 0, 0, 0, 0))),
  'checksum-type': bytes(Buffer.of(3), SIZE, SALT, ETAG, attribute(0x12, Buffer.of(1, 3, 0, 0, 0, 0))),
  'checksum-length': bytes(Buffer.of(3), SIZE, SALT, ETAG, attribute(0x12, Buffer.of(1, 1, 0, 0, 0))),
  'checksum-twice': bytes(
    Buffer.of(3),
    SIZE,
    SALT,
    ETAG,
    attribute(0x12, Buffer.of(1, 1, 0, 0, 0, 0)),
    attribute(0x12, Buffer.of(1, 2, 0, 0, 0, 0)),
  ),
  'total-size': bytes(Buffer.of(3), SIZE, SALT, ETAG, attribute(0x11, uint64(1))),
  fingerprint: bytes(Buffer.of(3), SIZE, SALT, ETAG, attribute(0x14, Buffer.alloc(32))),
};

const ATTRIBUTES: readonly VectorCase[] = Object.entries(MALFORMED_ATTRIBUTES).map(([name, plaintext]) =>
  bad(
    `attrs-malformed-${name}`,
    'ATTRIBUTES_MALFORMED',
    'A box that opens, with an encoding that is not allowed.',
    () => {
      const object = single(0, 1);
      const box = headerBox({ dek: object.dek, layout: 0, name: NAME, plaintext });
      return { header: forgeHeader({ root, name: NAME, dek: object.dek, layout: 0, box }), body: object.body };
    },
  ),
);

const BODY: readonly VectorCase[] = [
  badBody('body-empty', 'LENGTH_MISMATCH', 'No body.', 9, () => Buffer.alloc(0)),
  badBody('body-cut', 'LENGTH_MISMATCH', 'The last byte is missing.', 9, (b) => b.subarray(0, -1)),
  badBody('body-cut-segment', 'LENGTH_MISMATCH', 'The last segment is missing.', 65537, (b) => b.subarray(0, -17)),
  badBody('body-extended', 'LENGTH_MISMATCH', 'A byte more.', 9, (b) => bytes(b, Buffer.of(0))),
  badBody('part-magic', 'PART_HEADER_REFUSED', 'A bit of the magic.', 9, (b) => flipped(b, 15)),
  badBody('part-salt', 'PART_HEADER_REFUSED', 'A bit of the part salt.', 9, (b) => flipped(b, 47)),
  badBody('segment-first', 'SEGMENT_REFUSED', 'The first bit of the ciphertext.', 9, (b) => flipped(b, 48)),
  badBody('segment-tag', 'SEGMENT_REFUSED', 'The last bit of the last tag.', 9, (b) => flipped(b, b.length - 1)),
  badBody('segment-empty-tag', 'SEGMENT_REFUSED', 'The tag of an empty object.', 0, (b) => flipped(b, 48)),
  badBody('segments-swapped', 'SEGMENT_REFUSED', 'Two whole segments change places.', 131073, (b) =>
    bytes(b.subarray(0, 48), segment(b, 1), segment(b, 0), b.subarray(48 + 2 * SEALED_SEGMENT_BYTES)),
  ),
  badBody('segment-duplicated', 'SEGMENT_REFUSED', 'The second segment is the first again.', 131073, (b) =>
    bytes(b.subarray(0, 48), segment(b, 0), segment(b, 0), b.subarray(48 + 2 * SEALED_SEGMENT_BYTES)),
  ),
  bad('body-of-another', 'PART_HEADER_REFUSED', 'The body of another object of the same length.', () => ({
    header: single(0, 9).header,
    body: single(0, 9).body,
  })),
  bad('part-older-attempt', 'PART_HEADER_REFUSED', 'An older attempt at the same part under the same data key.', () => {
    const older = twoParts({ dek: Dek.fromBytes(Buffer.alloc(32, 0xd)) });
    const newer = twoParts({ dek: Dek.fromBytes(Buffer.alloc(32, 0xd)) });
    return { header: newer.header, body: bytes(older.parts[0], newer.parts[1], newer.footer) };
  }),
  bad('part-older-segments', 'SEGMENT_REFUSED', 'Segments of an older attempt behind the newer part header.', () => {
    const older = twoParts({ dek: Dek.fromBytes(Buffer.alloc(32, 0xd)) });
    const newer = twoParts({ dek: Dek.fromBytes(Buffer.alloc(32, 0xd)) });
    const spliced = bytes(newer.parts[0]?.subarray(0, 48), older.parts[0]?.subarray(48));
    return { header: newer.header, body: bytes(spliced, newer.parts[1], newer.footer) };
  }),
  bad('parts-swapped', 'PART_HEADER_REFUSED', 'Two parts of one length change places.', () => {
    const object = twoParts();
    return { header: object.header, body: bytes(object.parts[1], object.parts[0], object.footer) };
  }),
  bad('part-dropped', 'LENGTH_MISMATCH', 'The first part is missing.', () => {
    const object = twoParts();
    return { header: object.header, body: bytes(object.parts[1], object.footer) };
  }),
];

const FOOTER: readonly VectorCase[] = [
  badTail('locator-missing', 'LOCATOR_MALFORMED', 'The locator is missing.', (b) => b.subarray(0, -24)),
  badTail('locator-cut', 'LOCATOR_MALFORMED', 'The last byte is missing.', (b) => b.subarray(0, -1)),
  badTail('locator-magic', 'LOCATOR_MALFORMED', "The magic of parts in place of the locator's.", (b) =>
    set(b, b.length - 11, 0x50),
  ),
  badTail('locator-attributes-0', 'LOCATOR_MALFORMED', 'No attributes.', (b) => u32At(b, b.length - 8, 0)),
  badTail('locator-attributes-huge', 'LOCATOR_MALFORMED', 'Attributes beyond the limit.', (b) =>
    u32At(b, b.length - 8, 65585),
  ),
  badTail('locator-attributes-beyond', 'LENGTH_MISMATCH', 'Attributes longer than the body.', (b) =>
    u32At(b, b.length - 8, 65584),
  ),
  badTail('locator-attributes-less', 'ATTRIBUTES_REFUSED', 'The length of the attributes is one less.', (b) =>
    u32At(b, b.length - 8, b.readUInt32BE(b.length - 8) - 1),
  ),
  badTail(
    'locator-table-other',
    'LOCATOR_MALFORMED',
    'The length of the table is another than the attributes say.',
    (b) => u32At(b, b.length - 4, b.readUInt32BE(b.length - 4) + 1),
  ),
  badTail('locator-table-huge', 'LOCATOR_MALFORMED', 'A table beyond the limit.', (b) =>
    u32At(b, b.length - 4, 1220305),
  ),
  badTail('footer-attributes', 'ATTRIBUTES_REFUSED', 'A bit of the sealed attributes.', (b) =>
    flipped(b, b.length - 60),
  ),
  badTail('footer-table', 'TABLE_REFUSED', 'A bit of the part table.', (b, object) =>
    flipped(b, b.length - object.footer.length),
  ),
  bad('footer-of-another', 'ATTRIBUTES_REFUSED', 'The footer of another object.', () => {
    const object = twoParts();
    return { header: object.header, body: bytes(...object.parts, twoParts().footer) };
  }),
  bad('table-of-another-complete', 'TABLE_REFUSED', 'The part table of another Complete of the same upload.', () => {
    const dek = Dek.fromBytes(Buffer.alloc(32, 0xd));
    const object = twoParts({ dek });
    const other = sealFooter({ dek, layout: 2, late: object.late, parts: object.table });
    const tableBytes = other.readUInt32BE(other.length - 4);
    return {
      header: object.header,
      body: bytes(...object.parts, other.subarray(0, tableBytes), object.footer.subarray(tableBytes)),
    };
  }),
  bad(
    'footer-early-missing',
    'ATTRIBUTES_MALFORMED',
    'The header says that early attributes are in the footer; they are not.',
    () => {
      const object = single(1, 20);
      return { header: forgeHeader({ root, name: NAME, dek: object.dek, layout: 1 }), body: object.body };
    },
  ),
  forgedTable('table-order', 'Part numbers descend.', [
    [2, 70],
    [1, 70],
  ]),
  forgedTable('table-number-0', 'A part numbered 0.', [
    [0, 70],
    [1, 70],
  ]),
  forgedTable('table-number-10001', 'A part number beyond 10,000.', [
    [1, 70],
    [10001, 70],
  ]),
  forgedTable('table-sum', 'Sizes do not add up to the total size.', [
    [1, 70],
    [2, 71],
  ]),
  forgedTable('table-count', 'Another number of entries than parts.', [
    [1, 70],
    [2, 70],
    [3, 0],
  ]),
  forgedTable(
    'table-parts-bytes',
    'The recorded bytes of all parts are not those of the entries.',
    [
      [1, 0],
      [2, 140],
    ],
    2 * 48 + 140 + 2 * 16 + 1,
  ),
];

export const VECTOR_CASES: readonly VectorCase[] = [...GOOD, ...HEADER, ...ATTRIBUTES, ...BODY, ...FOOTER];

function ok(file: string, comment: string, make: VectorCase['make']): VectorCase {
  return { file, comment, result: 'success', make };
}

function bad(file: string, result: string, comment: string, make: VectorCase['make']): VectorCase {
  return { file, comment, result, make };
}

function badHeader(
  file: string,
  result: string,
  comment: string,
  change: (h: SealedHeader) => SealedHeader,
): VectorCase {
  return bad(file, result, comment, () => {
    const { header, body } = single(0, 1);
    return { header: change(header), body };
  });
}

function badBody(
  file: string,
  result: string,
  comment: string,
  size: number,
  change: (b: Buffer) => Buffer,
): VectorCase {
  return bad(file, result, comment, () => {
    const { header, body } = single(0, size);
    return { header, body: change(body) };
  });
}

function badTail(
  file: string,
  result: string,
  comment: string,
  change: (b: Buffer, o: SealedObject) => Buffer,
): VectorCase {
  return bad(file, result, comment, () => {
    const object = twoParts();
    return { header: object.header, body: change(object.body, object) };
  });
}

/** A table that the attributes name, with entries that contradict them: two parts, 140 bytes in all. */
function forgedTable(
  file: string,
  comment: string,
  entries: readonly (readonly [number: number, bytes: number])[],
  partsBytes = 2 * 48 + 140 + 2 * 16,
): VectorCase {
  return bad(file, 'TABLE_MALFORMED', comment, () => {
    const object = twoParts();
    const { dek } = object;
    const plaintext = bytes(
      ...entries.map(([number, size]) => bytes(uint16(number), uint64(size), Buffer.alloc(32), md5(Buffer.alloc(0)))),
    );
    const { sealed, reference } = forgeTable(dek, plaintext, partsBytes);
    const late = { ...object.late, size: 140, table: reference };
    const box = footerBox({ dek, layout: 2, plaintext: encodeAttributes({ layout: 2, late }) });
    const padding = Buffer.alloc(Math.max(0, partsBytes - bytes(...object.parts).length));
    return { header: object.header, body: bytes(...object.parts, padding, sealed, box, locatorFor(box, sealed)) };
  });
}

function dek(change: (bytes: Buffer) => Buffer): (header: SealedHeader) => SealedHeader {
  return (header) => withField(header, 'enc-dek', change);
}

function segment(body: Buffer, index: number): Buffer {
  return body.subarray(48 + index * SEALED_SEGMENT_BYTES, 48 + (index + 1) * SEALED_SEGMENT_BYTES);
}

function bytes(...pieces: readonly (Buffer | undefined)[]): Buffer {
  return Buffer.concat(pieces.filter((piece) => piece !== undefined));
}

function set(bytes: Buffer, at: number, value: number): Buffer {
  return flipped(bytes, at, (bytes[at] ?? 0) ^ value);
}

function u32At(bytes: Buffer, at: number, value: number): Buffer {
  const copy = Buffer.from(bytes);
  copy.writeUInt32BE(value, at);
  if (copy.equals(bytes)) throw new Error(`Nothing to change at ${at}.`);
  return copy;
}

function nextCharacter(character: string): string {
  return String.fromCharCode(character.charCodeAt(0) + 1);
}
