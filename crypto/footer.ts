/**
 * The end of a body: pad, part table, attributes, locator (FORMAT.md section 7). It is bound to the data key and to the
 * header's binding, not to the object's name: a copy moves no data, and no footer opens behind the header of another.
 */
import { Buffer } from 'node:buffer';
import {
  ATTRIBUTES_LABEL,
  type EarlyAttributes,
  encodeAttributes,
  IN_FOOTER,
  type LateAttributes,
  MAX_ATTRIBUTES_BYTES,
} from './attributes.ts';
import { decodeAttributes } from './attributes-decode.ts';
import { BOX_OVERHEAD_BYTES, openBox, sealBox } from './box.ts';
import { exactly, uint8, uint32 } from './bytes.ts';
import { type ChecksumAlgorithm, checksumBytes } from './checksums.ts';
import type { DataKey } from './data-key.ts';
import { FormatError } from './errors.ts';
import { type Layout, LOCATOR_BYTES, LOCATOR_MAGIC, SEGMENT_BYTES, sealedPartBytes } from './layout.ts';
import { BINDING_BYTES } from './random.ts';
import { padBytes } from './stored-length.ts';
import { MAX_TABLE_BYTES, type PartEntry, sealPartTable, tableBytes } from './table.ts';

export { openPartTable, type PartEntry } from './table.ts';

/** What a footer's attributes hold. */
export interface FooterAttributes {
  /** Present when the header says that the early attributes are in the footer; ignored when it says otherwise. */
  readonly early?: EarlyAttributes;
  readonly late: LateAttributes;
}

/** What the locator says: hints until the attributes have opened. */
export interface Locator {
  readonly attributesBytes: number;
  readonly tableBytes: number;
  /** Table, attributes and locator together: the footer but for its pad. */
  readonly endBytes: number;
}

/** What decides how long a footer is, before anything of the body is known. */
export interface FooterPlan {
  readonly layout: 1 | 2;
  /** With any size and salt. */
  readonly early?: EarlyAttributes | undefined;
  readonly checksums: readonly ChecksumAlgorithm[];
  /** Bytes of plaintext of each part; one in layout 1. */
  readonly sizes: readonly number[];
  readonly partChecksum?: ChecksumAlgorithm | undefined;
  /** As in `padBytes`. */
  readonly lookUp?: boolean | undefined;
}

/** Bytes of a footer, its pad included. */
export function footerBytes(o: FooterPlan): number {
  const checksums = o.checksums.map((algorithm) => ({
    algorithm,
    type: 'FULL_OBJECT' as const,
    value: Buffer.alloc(checksumBytes(algorithm)),
  }));
  const single = { md5: Buffer.alloc(16), partCount: 0, checksums, padBytes: 0 };
  const table = { salt: Buffer.alloc(32), bytes: 0, sha256: Buffer.alloc(32), partsBytes: 0 };
  const late =
    o.layout === 1 ? single : { ...single, partCount: 1, size: 0, table, uploadFingerprint: Buffer.alloc(32) };
  const ofTable = o.layout === 1 ? 0 : tableBytes(o.sizes.length, o.partChecksum);
  const attributesBytes = encodeAttributes({ layout: o.layout, early: o.early, late }).length + BOX_OVERHEAD_BYTES;
  const endBytes = ofTable + attributesBytes + LOCATOR_BYTES;
  return padOf(o, endBytes) + endBytes;
}

/**
 * Seals a footer. Each call draws new salts, so a repeated or different Complete is safe. A footer in the place of another takes
 * a new binding, and a new header with it (`forNewFooter`). `late.padBytes`, and in layout 2 `late.table` and `late.size` are
 * filled in.
 * @param o.size bytes of plaintext; in layout 1, and in layout 2 no other than that of the parts.
 * @throws TypeError or RangeError for attributes or parts that the layout does not allow.
 */
export function sealFooter(o: FooterRequest): Buffer {
  return Buffer.concat(sealFooterPieces(o));
}

export type FooterRequest = DataKey & {
  readonly layout: 1 | 2;
  readonly early?: EarlyAttributes | undefined;
  readonly late: LateAttributes;
  readonly size?: number | undefined;
  readonly parts?: readonly PartEntry[] | undefined;
  readonly partChecksum?: ChecksumAlgorithm | undefined;
  /** As in `padBytes`. */
  readonly lookUp?: boolean | undefined;
};

/** The same in buffers that are to be sent one after the other, which saves a copy. The first is not to be written into. */
export function sealFooterPieces(o: FooterRequest): Buffer[] {
  if ((o.layout === 2) !== (o.parts !== undefined)) throw new TypeError('Parts belong to layout 2.');
  const table = o.parts === undefined ? undefined : sealPartTable(o.dek, o.parts, o.partChecksum);
  const size = table?.size ?? o.size;
  if (size === undefined) throw new TypeError('The size of a single part has to be given.');
  if (table !== undefined && o.late.partCount !== o.parts?.length) throw new RangeError('Part count and parts differ.');
  if ([o.size, o.late.size].some((given) => table !== undefined && given !== undefined && given !== size)) {
    throw new RangeError('Size and parts differ.');
  }
  const sizes = o.parts?.map((part) => part.size) ?? [size];
  const late = table === undefined ? o.late : { ...o.late, size: table.size, table: table.reference };
  const encode = (pad: number) =>
    encodeAttributes({ layout: o.layout, early: o.early, late: { ...late, padBytes: pad } });
  const sealedTable = table?.sealed ?? NOTHING;
  const endBytes = sealedTable.length + encode(0).length + BOX_OVERHEAD_BYTES + LOCATOR_BYTES;
  const pad = padOf({ sizes, lookUp: o.lookUp }, endBytes);
  const attributes = sealBox({ ...attributesPurpose(o), plaintext: encode(pad) });
  const locator = Buffer.concat([LOCATOR_MAGIC, uint32(attributes.length), uint32(sealedTable.length)]);
  return [zeros(pad), sealedTable, attributes, locator];
}

/** Nearly every pad is shorter: then it costs no memory of its own. Nobody writes into it. */
const ZEROS = Buffer.alloc(SEGMENT_BYTES + 1);

function zeros(bytes: number): Buffer {
  return bytes <= ZEROS.length ? ZEROS.subarray(0, bytes) : Buffer.alloc(bytes);
}

const NOTHING = Buffer.alloc(0);

function padOf(o: Pick<FooterPlan, 'sizes' | 'lookUp'>, endBytes: number): number {
  const plainBytes = o.sizes.reduce((sum, size) => sum + size, 0);
  const partsBytes = o.sizes.reduce((sum, size) => sum + sealedPartBytes(size), 0);
  return padBytes({ plainBytes, unpaddedBytes: partsBytes + endBytes, lookUp: o.lookUp });
}

/**
 * Reads the locator: the last LOCATOR_BYTES of `tail`. Its lengths are bounded hints: they say what to fetch, and
 * `checkBody` compares them with what the attributes then say.
 * @throws FormatError LOCATOR_MALFORMED.
 */
export function parseLocator(tail: Buffer): Locator {
  const locator = tail.subarray(Math.max(0, tail.length - LOCATOR_BYTES));
  const hasMagic = locator.subarray(0, LOCATOR_MAGIC.length).equals(LOCATOR_MAGIC);
  if (locator.length !== LOCATOR_BYTES || !hasMagic) throw new FormatError('LOCATOR_MALFORMED');
  const attributesBytes = locator.readUInt32BE(LOCATOR_MAGIC.length);
  const table = locator.readUInt32BE(LOCATOR_MAGIC.length + 4);
  const isBounded =
    attributesBytes > BOX_OVERHEAD_BYTES &&
    attributesBytes <= MAX_ATTRIBUTES_BYTES + BOX_OVERHEAD_BYTES &&
    table <= MAX_TABLE_BYTES;
  if (!isBounded) throw new FormatError('LOCATOR_MALFORMED');
  return { attributesBytes, tableBytes: table, endBytes: table + attributesBytes + LOCATOR_BYTES };
}

/**
 * Opens the footer's attributes.
 * @param o.sealed exactly the sealed attributes.
 * @throws FormatError ATTRIBUTES_REFUSED, ATTRIBUTES_MALFORMED.
 */
export function openFooterAttributes(
  o: DataKey & {
    readonly layout: 1 | 2;
    readonly sealed: Buffer;
  },
): FooterAttributes {
  const plaintext = openBox({ ...attributesPurpose(o), box: o.sealed });
  if (plaintext === undefined) throw new FormatError('ATTRIBUTES_REFUSED');
  const { early, late } = decodeAttributes(o.layout, plaintext);
  if (late === undefined) throw new FormatError('ATTRIBUTES_MALFORMED');
  return { ...(early === undefined ? {} : { early }), late };
}

function attributesPurpose({ dek, binding, layout }: DataKey & { readonly layout: Layout }) {
  const context = [uint8(IN_FOOTER), uint8(layout), exactly(BINDING_BYTES, binding)];
  return { dek, label: ATTRIBUTES_LABEL, context };
}
