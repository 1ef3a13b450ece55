/**
 * What the vectors are made of: fixed names, roots and plaintexts, and objects of each layout (FORMAT.md section 15).
 */
import { Buffer } from 'node:buffer';
import { createHash, createSecretKey } from 'node:crypto';
import type { ChecksumAlgorithm } from '../../../crypto/attributes.ts';
import { checksumBytes } from '../../../crypto/checksums.ts';
import type { DataKey } from '../../../crypto/data-key.ts';
import { Dek } from '../../../crypto/dek.ts';
import type { ObjectName } from '../../../crypto/header.ts';
import { flipped } from '../forge.ts';
import { type ObjectPlan, type SealedObject, type StoredObject, sealObject, singlePart } from '../object.ts';

export const ROOTS: ReadonlyMap<number, Buffer> = new Map([
  [1, Buffer.alloc(32, 0x11)],
  [2, Buffer.alloc(32, 0x22)],
]);
export const NAME: ObjectName = { tenant: Buffer.alloc(12, 0x7e), bucket: 'vectors', key: 'a b+ü%/../x.txt' };
/** Of several attempts at one upload. */
export const UPLOAD: DataKey = { dek: Dek.fromBytes(Buffer.alloc(32, 0xd)), binding: Buffer.alloc(16, 0xb) };
export const root = createSecretKey(Buffer.alloc(32, 0x11));

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

export const metadata = [
  ['colour', 'blue'],
  ['mtime', '1700000000.123456789'],
  ['bytes', '\x80\xff caf\xc3\xa9'],
  ['empty', ''],
] as const;
export const headers = [
  ['content-type', 'text/plain; charset=utf-8'],
  ['content-disposition', 'attachment; filename="x.txt"'],
  ['expires', 'Thu, 01 Dec 1994 16:00:00 GMT'],
] as const;

export function checksum(algorithm: ChecksumAlgorithm, label: string) {
  return { algorithm, type: 'FULL_OBJECT' as const, value: pattern(checksumBytes(algorithm), `${algorithm} ${label}`) };
}

export function single(layout: 0 | 1, bytes: number, more: Partial<ObjectPlan> = {}): SealedObject {
  return sealObject({ root, name: NAME, layout, parts: singlePart(pattern(bytes)), ...more });
}

export function multipart(
  sizes: readonly (readonly [number: number, bytes: number])[],
  more: Partial<ObjectPlan> = {},
) {
  const parts = sizes.map(([number, bytes]) => ({ number, plaintext: pattern(bytes, `part ${number}`) }));
  return sealObject({ root, name: NAME, layout: 2, parts, ...more });
}

export const twoParts = (more: Partial<ObjectPlan> = {}) =>
  multipart(
    [
      [1, 70],
      [5, 70],
    ],
    more,
  );

export function ok(file: string, comment: string, make: VectorCase['make']): VectorCase {
  return { file, comment, result: 'success', make };
}

export function bad(file: string, result: string, comment: string, make: VectorCase['make']): VectorCase {
  return { file, comment, result, make };
}

export function bytes(...pieces: readonly (Buffer | undefined)[]): Buffer {
  return Buffer.concat(pieces.filter((piece) => piece !== undefined));
}

export function set(bytes: Buffer, at: number, value: number): Buffer {
  return flipped(bytes, at, (bytes[at] ?? 0) ^ value);
}
