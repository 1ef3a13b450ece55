/**
 * Vectors whose locator, attributes or part table is refused.
 */
import { Buffer } from 'node:buffer';
import { uint16, uint64 } from '../../../crypto/bytes.ts';
import { forNewFooter } from '../../../crypto/data-key.ts';
import { parseLocator, sealFooter } from '../../../crypto/footer.ts';
import { flipped, footerPieces, forgeFooter, forgeHeader, forgeTable } from '../forge.ts';
import { md5, type SealedObject } from '../object.ts';
import { bad, bytes, metadata, NAME, root, set, single, twoParts, UPLOAD, type VectorCase } from './build.ts';

export const FOOTER_CASES: readonly VectorCase[] = [
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
  badTail('footer-table', 'TABLE_REFUSED', 'A bit of the part table.', (b) =>
    flipped(b, b.length - parseLocator(b).endBytes),
  ),
  badTail('pad-first', 'PAD_REFUSED', 'The first bit of the pad.', (b, object) =>
    flipped(b, b.length - object.footer.length, 0x80),
  ),
  badTail('pad-last', 'PAD_REFUSED', 'The last bit of the pad.', (b) =>
    flipped(b, b.length - parseLocator(b).endBytes - 1),
  ),
  badTail('pad-longer', 'LENGTH_MISMATCH', 'A zero more in the pad.', (b, object) =>
    bytes(b.subarray(0, b.length - object.footer.length), Buffer.alloc(1), object.footer),
  ),
  badTail('pad-missing', 'LENGTH_MISMATCH', 'No pad.', (b, object) =>
    bytes(b.subarray(0, b.length - object.footer.length), b.subarray(b.length - parseLocator(b).endBytes)),
  ),
  forgedPad('pad-of-another', 'ATTRIBUTES_MALFORMED', 'A length that tells the size of another plaintext.', (pad) => ({
    pad: pad.subarray(1),
  })),
  forgedPad('pad-huge', 'ATTRIBUTES_MALFORMED', 'A pad beyond the limit.', () => ({ padBytes: 1_870_401 })),
  forgedPad('pad-untrue', 'LENGTH_MISMATCH', 'A pad of another length than the attributes say.', (pad) => ({
    padBytes: pad.length + 1,
  })),
  bad('footer-of-another', 'ATTRIBUTES_REFUSED', 'The footer of another object.', () => {
    const object = twoParts();
    return { header: object.header, body: bytes(...object.parts, twoParts().footer) };
  }),
  bad('footer-of-another-binding', 'ATTRIBUTES_REFUSED', 'The footer of a copy with other metadata.', () => {
    const object = twoParts({ inFooter: true, metadata });
    const { early, late, table } = object;
    const footer = sealFooter({
      ...forNewFooter(object),
      layout: 2,
      early: { ...early, metadata: [] },
      late,
      parts: table,
    });
    return { header: object.header, body: bytes(...object.parts, footer) };
  }),
  bad(
    'header-of-another-binding',
    'ATTRIBUTES_REFUSED',
    'The header of an object before its metadata were replaced.',
    () => {
      const object = single(1, 20, { inFooter: true, metadata });
      const { header } = single(1, 20, {
        inFooter: true,
        metadata: [['colour', 'red']],
        dataKey: forNewFooter(object),
      });
      return { header, body: object.body };
    },
  ),
  bad('table-of-another-complete', 'TABLE_REFUSED', 'The part table of another Complete of the same upload.', () => {
    const object = twoParts({ dataKey: UPLOAD });
    const other = sealFooter({ ...UPLOAD, layout: 2, late: object.late, parts: object.table });
    const { pad, box, locator } = footerPieces(object.footer);
    return { header: object.header, body: bytes(...object.parts, pad, footerPieces(other).table, box, locator) };
  }),
  bad('table-digest', 'TABLE_REFUSED', 'A table that opens, of which the attributes hold another digest.', () => {
    const object = twoParts();
    const entries = object.table.map(({ number, size, salt, md5: digest }) =>
      bytes(uint16(number), uint64(size), salt, digest),
    );
    const partsBytes = bytes(...object.parts).length;
    const { sealed, reference } = forgeTable(object.dek, bytes(...entries), partsBytes);
    const table = { ...reference, sha256: flipped(reference.sha256, 0) };
    const late = { ...object.late, size: 140, table };
    const footer = forgeFooter({ ...object, layout: 2, late, plainBytes: 140, partsBytes, table: sealed });
    return { header: object.header, body: bytes(...object.parts, footer) };
  }),
  bad(
    'footer-early-missing',
    'ATTRIBUTES_MALFORMED',
    'The header says that early attributes are in the footer; they are not.',
    () => {
      const object = single(1, 20);
      return {
        header: forgeHeader({ root, name: NAME, dek: object.dek, binding: object.binding, layout: 1 }),
        body: object.body,
      };
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
    'table-total',
    'The total size is not that of the entries.',
    [
      [1, 70],
      [2, 70],
    ],
    { total: 141 },
  ),
  forgedTable(
    'table-parts-bytes',
    'The recorded bytes of all parts are not those of the entries.',
    [
      [1, 0],
      [2, 140],
    ],
    { partsBytes: 2 * 48 + 140 + 2 * 16 + 1 },
  ),
];

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
  { partsBytes = 2 * 48 + 140 + 2 * 16, total = 140 } = {},
): VectorCase {
  return bad(file, 'TABLE_MALFORMED', comment, () => {
    const object = twoParts();
    const { dek, binding } = object;
    const plaintext = bytes(
      ...entries.map(([number, size]) => bytes(uint16(number), uint64(size), Buffer.alloc(32), md5(Buffer.alloc(0)))),
    );
    const { sealed, reference } = forgeTable(dek, plaintext, partsBytes);
    const late = { ...object.late, size: total, table: reference };
    const footer = forgeFooter({ dek, binding, layout: 2, late, plainBytes: total, partsBytes, table: sealed });
    const padding = Buffer.alloc(Math.max(0, partsBytes - bytes(...object.parts).length));
    return { header: object.header, body: bytes(...object.parts, padding, footer) };
  });
}

/** A single part behind which a writer with the keys put another pad. */
function forgedPad(
  file: string,
  result: string,
  comment: string,
  change: (pad: Buffer) => { pad?: Buffer; padBytes?: number },
): VectorCase {
  return bad(file, result, comment, () => {
    const { header, parts, late, footer, dek, binding } = single(1, 20);
    const plan = { dek, binding, layout: 1, late, plainBytes: 20, partsBytes: bytes(...parts).length } as const;
    return { header, body: bytes(...parts, forgeFooter({ ...plan, ...change(footerPieces(footer).pad) })) };
  });
}

function u32At(bytes: Buffer, at: number, value: number): Buffer {
  const copy = Buffer.from(bytes);
  copy.writeUInt32BE(value, at);
  if (copy.equals(bytes)) throw new Error(`Nothing to change at ${at}.`);
  return copy;
}
