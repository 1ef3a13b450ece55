/**
 * The part table of a multipart object: one entry of fixed length per part, in the order of the body, sealed as segments
 * under a key of its own (FORMAT.md section 7.2).
 */
import { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';
import { decodeMd5, encodeMd5, type LateAttributes, type TableReference } from './attributes.ts';
import { exactly, uint16, uint64 } from './bytes.ts';
import { type ChecksumAlgorithm, checksumBytes } from './checksums.ts';
import type { Dek } from './dek.ts';
import { FormatError } from './errors.ts';
import { MAX_PART_NUMBER, MAX_SEGMENTS, SEGMENT_BYTES, sealedPartBytes, sealedRunBytes } from './layout.ts';
import { RunOpener, RunSealer } from './segments.ts';

export interface PartEntry {
  /** 1 to 10,000, strictly increasing. */
  readonly number: number;
  /** Bytes of plaintext. */
  readonly size: number;
  /** The part's salt, 32 bytes. */
  readonly salt: Buffer;
  /** MD5 of the part's plaintext, 16 bytes. Absent where no MD5 was computed. */
  readonly md5?: Buffer | undefined;
  /** Present when the table has a checksum algorithm. */
  readonly checksum?: Buffer;
}

const FIXED_ENTRY_BYTES = 2 + 8 + 32 + 16;
const MAX_PART_BYTES = MAX_SEGMENTS * SEGMENT_BYTES;
/** Bytes of the largest sealed table: 10,000 entries with the longest checksum. */
export const MAX_TABLE_BYTES = sealedRunBytes(MAX_PART_NUMBER * entryBytes('SHA512'));

function entryBytes(checksum: ChecksumAlgorithm | undefined): number {
  return FIXED_ENTRY_BYTES + (checksum === undefined ? 0 : checksumBytes(checksum));
}

/** Bytes of a sealed table of `count` parts. */
export function tableBytes(count: number, checksum: ChecksumAlgorithm | undefined): number {
  return sealedRunBytes(count * entryBytes(checksum));
}

/** Seals the table and says what the attributes must record of it. RangeError or TypeError for illegal parts. */
export function sealPartTable(
  dek: Dek,
  parts: readonly PartEntry[],
  checksum: ChecksumAlgorithm | undefined,
): { readonly sealed: Buffer; readonly reference: TableReference; readonly size: number } {
  if (!areOrdered(parts)) throw new RangeError('Part numbers must be 1 to 10,000 and increase.');
  const encoded = Buffer.concat(parts.map((part) => encodeEntry(part, checksum)));
  const sealer = new RunSealer(tablePurpose(dek));
  const sealed = sealer.seal(encoded, { last: true });
  const reference = {
    salt: sealer.salt,
    bytes: sealed.length,
    sha256: createHash('sha256').update(sealed).digest(),
    partsBytes: parts.reduce((sum, part) => sum + sealedPartBytes(part.size), 0),
    ...(checksum === undefined ? {} : { checksum }),
  };
  return { sealed, reference, size: sizeOf(parts) };
}

/**
 * Opens the part table.
 * @param o.sealed exactly the sealed table.
 * @throws FormatError TABLE_REFUSED when it is not the one that the attributes name, TABLE_MALFORMED when it contradicts
 * them. TypeError when the attributes name no table.
 */
export function openPartTable(o: {
  readonly dek: Dek;
  readonly late: LateAttributes;
  readonly sealed: Buffer;
}): readonly PartEntry[] {
  const { table, partCount, size } = o.late;
  if (table === undefined) throw new TypeError('Only layout 2 has a part table.');
  const digest = createHash('sha256').update(o.sealed).digest();
  if (o.sealed.length !== table.bytes || !digest.equals(table.sha256)) throw new FormatError('TABLE_REFUSED');
  if (tableBytes(partCount, table.checksum) !== table.bytes) throw new FormatError('TABLE_MALFORMED');
  const length = entryBytes(table.checksum);
  const plainBytes = partCount * length;
  const opener = new RunOpener(tablePurpose(o.dek), { salt: table.salt, plainBytes, error: 'TABLE_REFUSED' });
  const encoded = opener.open(o.sealed);
  const parts = Array.from({ length: partCount }, (_, i) =>
    decodeEntry(encoded.subarray(i * length, (i + 1) * length)),
  );
  const isConsistent = areOrdered(parts) && sizeOf(parts) === size && sealedSizeOf(parts) === table.partsBytes;
  if (!isConsistent) throw new FormatError('TABLE_MALFORMED');
  return parts;
}

function encodeEntry(part: PartEntry, checksum: ChecksumAlgorithm | undefined): Buffer {
  if ((part.checksum === undefined) !== (checksum === undefined))
    throw new TypeError('All parts have a checksum, or none.');
  return Buffer.concat([
    uint16(part.number),
    uint64(part.size),
    exactly(32, part.salt),
    encodeMd5(part.md5),
    ...(checksum === undefined || part.checksum === undefined ? [] : [exactly(checksumBytes(checksum), part.checksum)]),
  ]);
}

function decodeEntry(entry: Buffer): PartEntry {
  const size = Number(entry.readBigUInt64BE(2));
  if (size > MAX_PART_BYTES) throw new FormatError('TABLE_MALFORMED');
  const md5 = decodeMd5(entry.subarray(42, FIXED_ENTRY_BYTES));
  return {
    number: entry.readUInt16BE(0),
    size,
    salt: entry.subarray(10, 42),
    ...(md5 === undefined ? {} : { md5 }),
    ...(entry.length === FIXED_ENTRY_BYTES ? {} : { checksum: entry.subarray(FIXED_ENTRY_BYTES) }),
  };
}

function areOrdered(parts: readonly PartEntry[]): boolean {
  const isInOrder = parts.every(
    (part, i) => part.number > (parts[i - 1]?.number ?? 0) && Number.isInteger(part.number),
  );
  return parts.length > 0 && isInOrder && (parts.at(-1)?.number ?? 0) <= MAX_PART_NUMBER;
}

function sizeOf(parts: readonly PartEntry[]): number {
  return parts.reduce((sum, part) => sum + part.size, 0);
}

function sealedSizeOf(parts: readonly PartEntry[]): number {
  return parts.reduce((sum, part) => sum + sealedPartBytes(part.size), 0);
}

function tablePurpose(dek: Dek) {
  return { dek, label: 'sealgate/1/part-table', context: [] };
}
