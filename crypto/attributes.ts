/**
 * Attributes: what a HEAD must answer, as typed values and as one deterministic encoding (FORMAT.md section 5).
 *
 * Strings are byte strings: one character per byte (latin1), so that header values come back exactly as they were sent.
 */
import { Buffer } from 'node:buffer';
import { byteString, exactly, uint8, uint16, uint32, uint64 } from './bytes.ts';
import {
  CHECKSUM_TYPES,
  type Checksum,
  type ChecksumAlgorithm,
  checksumBytes,
  checksumId,
  NO_CHECKSUM_ID,
} from './checksums.ts';
import { type Layout, MAX_PART_NUMBER } from './layout.ts';

export type { Checksum, ChecksumAlgorithm } from './checksums.ts';

/** A name and its value, as byte strings. */
export type HeaderPair = readonly [name: string, value: string];

/** Known when the upload begins. */
export interface EarlyAttributes {
  /** Bytes of plaintext. Layouts 0 and 1 only. */
  readonly size?: number;
  /** Salt of the one part, 32 bytes. Layouts 0 and 1 only. */
  readonly partSalt?: Buffer;
  /** Content headers, lower-case names out of SEALED_HEADERS, each at most once. Opened in the order of that list. */
  readonly headers: readonly HeaderPair[];
  /** User metadata without `x-amz-meta-`; names not empty, each once; order is kept. */
  readonly metadata: readonly HeaderPair[];
}

/** Where the part table is and what it must be. Written by `sealFooter`. */
export interface TableReference {
  readonly salt: Buffer;
  /** Bytes of the sealed table. */
  readonly bytes: number;
  /** SHA-256 of the sealed table. */
  readonly sha256: Buffer;
  /** Bytes of all sealed parts, that is, the table's offset in the body. */
  readonly partsBytes: number;
  /** Algorithm of the checksum in each table entry. */
  readonly checksum?: ChecksumAlgorithm;
}

/** Known when the upload ends. */
export interface LateAttributes {
  /** MD5 of the plaintext, or with parts the MD5 of the parts' MD5s: 16 bytes. Absent where no MD5 was computed. */
  readonly md5?: Buffer | undefined;
  /** 0: the MD5 ETag is the MD5. N: the MD5 followed by `-N`. */
  readonly partCount: number;
  /** Bytes of plaintext of all parts. Layout 2 only. */
  readonly size?: number;
  readonly checksums: readonly Checksum[];
  /** Layout 2 only. */
  readonly table?: TableReference;
  /** 32 bytes that tell a repeated Complete from another one. Layout 2 only. */
  readonly uploadFingerprint?: Buffer;
  /** Zeros between parts and part table. Layouts 1 and 2; written by `sealFooter`. */
  readonly padBytes?: number;
}

/** Index + 1 is the id of a content header in the encoding. */
export const SEALED_HEADERS = [
  'content-type',
  'cache-control',
  'content-disposition',
  'content-encoding',
  'content-language',
  'expires',
] as const;

export const Tag = {
  size: 0x01,
  partSalt: 0x02,
  header: 0x03,
  metadata: 0x04,
  etag: 0x10,
  totalSize: 0x11,
  checksum: 0x12,
  table: 0x13,
  uploadFingerprint: 0x14,
  pad: 0x15,
} as const;

/** Label of the keys that seal attributes, and the first field of what those keys are bound to. */
export const ATTRIBUTES_LABEL = 'sealgate/1/attrs';
export const IN_HEADER = 0;
export const IN_FOOTER = 1;

/** First byte of the encoding: which attributes follow. */
export const HAS_EARLY = 1;
export const HAS_LATE = 2;
/** Bytes of the encoding. */
export const MAX_ATTRIBUTES_BYTES = 65536;
const HEADER_IDS: readonly string[] = SEALED_HEADERS;
const MAX_VALUE_BYTES = 0xffff;

/**
 * One deterministic encoding: the same attributes always give the same bytes.
 * @throws TypeError or RangeError for attributes that the layout does not allow: a bug of the caller.
 */
export function encodeAttributes(o: {
  readonly layout: Layout;
  readonly early?: EarlyAttributes | undefined;
  readonly late?: LateAttributes | undefined;
}): Buffer {
  const contents = (o.early === undefined ? 0 : HAS_EARLY) | (o.late === undefined ? 0 : HAS_LATE);
  const out = Buffer.concat([
    uint8(contents),
    ...(o.early === undefined ? [] : encodeEarly(o.layout, o.early)),
    ...(o.late === undefined ? [] : encodeLate(o.layout, o.late)),
  ]);
  if (out.length > MAX_ATTRIBUTES_BYTES) throw new RangeError('The attributes are longer than 65,536 bytes.');
  return out;
}

function encodeEarly(layout: Layout, early: EarlyAttributes): Buffer[] {
  const out: Buffer[] = [];
  if (layout === 2) {
    if (early.size !== undefined || early.partSalt !== undefined) throw new TypeError('Parts are in the part table.');
  } else {
    if (early.size === undefined || early.partSalt === undefined) throw new TypeError('Size or part salt is missing.');
    out.push(entry(Tag.size, uint64(early.size)), entry(Tag.partSalt, exactly(32, early.partSalt)));
  }
  const ids = early.headers.map(([name]) => HEADER_IDS.indexOf(name) + 1);
  if (ids.includes(0) || new Set(ids).size !== ids.length) throw new TypeError('Not a sealed header, or given twice.');
  const headers = early.headers.map(([, value], i) => Buffer.concat([uint8(ids[i] ?? 0), byteString(value)]));
  for (const header of headers.sort((a, b) => (a[0] ?? 0) - (b[0] ?? 0))) out.push(entry(Tag.header, header));
  const names = new Set(early.metadata.map(([name]) => name));
  if (names.has('') || names.size !== early.metadata.length)
    throw new TypeError('A metadata name is empty or repeated.');
  for (const [name, value] of early.metadata) {
    const bytes = byteString(name);
    out.push(entry(Tag.metadata, Buffer.concat([uint16(bytes.length), bytes, byteString(value)])));
  }
  return out;
}

function encodeLate(layout: Layout, late: LateAttributes): Buffer[] {
  const hasTable = layout === 2;
  if (late.partCount < (hasTable ? 1 : 0) || late.partCount > (hasTable ? MAX_PART_NUMBER : 1)) {
    throw new RangeError('The layout does not allow that number of parts.');
  }
  const out = [entry(Tag.etag, Buffer.concat([encodeMd5(late.md5), uint16(late.partCount)]))];
  if (hasTable) out.push(entry(Tag.totalSize, uint64(late.size ?? Number.NaN)));
  else if (late.size !== undefined) throw new TypeError('The size is an early attribute.');
  const checksums = late.checksums.map(encodeChecksum).sort((a, b) => (a[0] ?? 0) - (b[0] ?? 0));
  if (new Set(checksums.map((one) => one[0])).size !== checksums.length) throw new TypeError('A checksum is repeated.');
  for (const checksum of checksums) out.push(entry(Tag.checksum, checksum));
  const { table, uploadFingerprint } = late;
  if (hasTable !== (table !== undefined) || hasTable !== (uploadFingerprint !== undefined)) {
    throw new TypeError('Part table and upload fingerprint belong to layout 2.');
  }
  if (table !== undefined) out.push(entry(Tag.table, encodeTableReference(table)));
  if (uploadFingerprint !== undefined) out.push(entry(Tag.uploadFingerprint, exactly(32, uploadFingerprint)));
  if ((layout === 0) !== (late.padBytes === undefined)) throw new TypeError('A pad belongs to layouts 1 and 2.');
  if (late.padBytes !== undefined) out.push(entry(Tag.pad, uint32(late.padBytes)));
  return out;
}

/** No MD5 is 16 zeros, so that the length of a footer does not depend on it. */
export function encodeMd5(md5: Buffer | undefined): Buffer {
  return md5 === undefined ? NO_MD5 : exactly(NO_MD5.length, md5);
}

/** `undefined` for none. `encoded`: 16 bytes. */
export function decodeMd5(encoded: Buffer): Buffer | undefined {
  return encoded.equals(NO_MD5) ? undefined : encoded;
}

const NO_MD5 = Buffer.alloc(16);

function encodeChecksum({ algorithm, type, value }: Checksum): Buffer {
  const bytes = exactly(checksumBytes(algorithm), value);
  return Buffer.concat([uint8(checksumId(algorithm)), uint8(CHECKSUM_TYPES.indexOf(type)), bytes]);
}

function encodeTableReference(table: TableReference): Buffer {
  const id = table.checksum === undefined ? NO_CHECKSUM_ID : checksumId(table.checksum);
  return Buffer.concat([
    exactly(32, table.salt),
    uint32(table.bytes),
    exactly(32, table.sha256),
    uint64(table.partsBytes),
    uint8(id),
  ]);
}

/** tag 1 | length 2 | value. */
function entry(tag: number, value: Buffer): Buffer {
  if (value.length > MAX_VALUE_BYTES) throw new RangeError('An attribute is longer than 65,535 bytes.');
  return Buffer.concat([uint8(tag), uint16(value.length), value]);
}
