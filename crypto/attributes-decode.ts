/**
 * Reads the encoding of attributes, strictly: what `encodeAttributes` would not have written is refused, so that a set of
 * attributes has one encoding only (FORMAT.md section 5.2).
 */
import type { Buffer } from 'node:buffer';
import {
  decodeMd5,
  type EarlyAttributes,
  HAS_EARLY,
  HAS_LATE,
  type HeaderPair,
  type LateAttributes,
  MAX_ATTRIBUTES_BYTES,
  SEALED_HEADERS,
  type TableReference,
  Tag,
} from './attributes.ts';
import { CHECKSUM_TYPES, type Checksum, checksumBytes, checksumOfId, NO_CHECKSUM_ID } from './checksums.ts';
import { FormatError } from './errors.ts';
import { type Layout, MAX_PART_NUMBER } from './layout.ts';
import { MAX_PAD_BYTES } from './stored-length.ts';

export interface Attributes {
  readonly early?: EarlyAttributes;
  readonly late?: LateAttributes;
}

/** @throws FormatError ATTRIBUTES_MALFORMED. */
export function decodeAttributes(layout: Layout, encoded: Buffer): Attributes {
  if (encoded.length < 1 || encoded.length > MAX_ATTRIBUTES_BYTES) throw malformed();
  const contents = encoded.readUInt8(0);
  if (contents < HAS_EARLY || contents > (HAS_EARLY | HAS_LATE)) throw malformed();
  const entries = new Entries(encoded.subarray(1));
  const early = (contents & HAS_EARLY) === 0 ? undefined : decodeEarly(layout, entries);
  const late = (contents & HAS_LATE) === 0 ? undefined : decodeLate(layout, entries);
  if (!entries.isAtEnd) throw malformed();
  return { ...(early === undefined ? {} : { early }), ...(late === undefined ? {} : { late }) };
}

function decodeEarly(layout: Layout, entries: Entries): EarlyAttributes {
  const part =
    layout === 2 ? {} : { size: readSize(entries.one(Tag.size, 8), 0), partSalt: entries.one(Tag.partSalt, 32) };
  return {
    ...part,
    headers: decodeHeaders(entries.all(Tag.header)),
    metadata: decodeMetadata(entries.all(Tag.metadata)),
  };
}

function decodeHeaders(values: readonly Buffer[]): HeaderPair[] {
  let previous = 0;
  return values.map((value): HeaderPair => {
    const id = value.length < 1 ? 0 : value.readUInt8(0);
    const name = SEALED_HEADERS[id - 1];
    if (name === undefined || id <= previous) throw malformed();
    previous = id;
    return [name, value.toString('latin1', 1)];
  });
}

function decodeMetadata(values: readonly Buffer[]): HeaderPair[] {
  const names = new Set<string>();
  return values.map((value): HeaderPair => {
    const length = value.length < 2 ? 0 : value.readUInt16BE(0);
    const name = value.toString('latin1', 2, 2 + length);
    if (length === 0 || 2 + length > value.length || names.has(name)) throw malformed();
    names.add(name);
    return [name, value.toString('latin1', 2 + length)];
  });
}

function decodeLate(layout: Layout, entries: Entries): LateAttributes {
  const etag = entries.one(Tag.etag, 18);
  const partCount = etag.readUInt16BE(16);
  const [fewest, most] = layout === 2 ? [1, MAX_PART_NUMBER] : [0, 1];
  if (partCount < fewest || partCount > most) throw malformed();
  const size = layout === 2 ? { size: readSize(entries.one(Tag.totalSize, 8), 0) } : {};
  const checksums = decodeChecksums(entries.all(Tag.checksum));
  const table =
    layout === 2
      ? {
          table: decodeTableReference(entries.one(Tag.table, 77)),
          uploadFingerprint: entries.one(Tag.uploadFingerprint, 32),
        }
      : {};
  const pad = layout === 0 ? {} : { padBytes: readPad(entries.one(Tag.pad, 4)) };
  const md5 = decodeMd5(etag.subarray(0, 16));
  return { ...(md5 === undefined ? {} : { md5 }), partCount, ...size, checksums, ...table, ...pad };
}

function readPad(value: Buffer): number {
  const bytes = value.readUInt32BE(0);
  if (bytes > MAX_PAD_BYTES) throw malformed();
  return bytes;
}

function decodeChecksums(values: readonly Buffer[]): Checksum[] {
  let previous = NO_CHECKSUM_ID;
  return values.map((value): Checksum => {
    if (value.length < 2) throw malformed();
    const id = value.readUInt8(0);
    const algorithm = checksumOfId(id);
    const type = CHECKSUM_TYPES[value.readUInt8(1)];
    if (algorithm === undefined || type === undefined || id <= previous) throw malformed();
    if (value.length !== 2 + checksumBytes(algorithm)) throw malformed();
    previous = id;
    return { algorithm, type, value: value.subarray(2) };
  });
}

function decodeTableReference(value: Buffer): TableReference {
  const id = value.readUInt8(76);
  const checksum = checksumOfId(id);
  if (checksum === undefined && id !== NO_CHECKSUM_ID) throw malformed();
  return {
    salt: value.subarray(0, 32),
    bytes: value.readUInt32BE(32),
    sha256: value.subarray(36, 68),
    partsBytes: readSize(value, 68),
    ...(checksum === undefined ? {} : { checksum }),
  };
}

/** A cursor over tag 1 | length 2 | value entries. */
class Entries {
  #rest: Buffer;

  constructor(encoded: Buffer) {
    this.#rest = encoded;
  }

  get isAtEnd(): boolean {
    return this.#rest.length === 0;
  }

  /** The next entry, which must have that tag and length. */
  one(tag: number, length: number): Buffer {
    const value = this.#take(tag);
    if (value === undefined || value.length !== length) throw malformed();
    return value;
  }

  /** The next entries, as far as they have that tag. */
  all(tag: number): Buffer[] {
    const values: Buffer[] = [];
    for (let value = this.#take(tag); value !== undefined; value = this.#take(tag)) values.push(value);
    return values;
  }

  #take(tag: number): Buffer | undefined {
    if (this.#rest.length === 0 || this.#rest.readUInt8(0) !== tag) return undefined;
    if (this.#rest.length < 3) throw malformed();
    const end = 3 + this.#rest.readUInt16BE(1);
    if (end > this.#rest.length) throw malformed();
    const value = this.#rest.subarray(3, end);
    this.#rest = this.#rest.subarray(end);
    return value;
  }
}

function readSize(bytes: Buffer, at: number): number {
  const size = Number(bytes.readBigUInt64BE(at));
  if (!Number.isSafeInteger(size) || size > 2 ** 48) throw malformed();
  return size;
}

function malformed(): FormatError {
  return new FormatError('ATTRIBUTES_MALFORMED');
}
