/**
 * Receipts: one for each acknowledged part, written before its 200. A receipt is an empty object in the state bucket whose name
 * is a sealed record, so that one LIST reads a thousand receipts. The part number stands in clear at the front and sorts them;
 * a backend sees part numbers anyway.
 */
import { randomBytes } from 'node:crypto';
import { openBox, sealBox } from '../../crypto/box.ts';
import { asObjectFailure } from '../object/damaged-object.ts';
import { type EtagMode, sealedEtag } from '../object/etags.ts';
import { MalformedSealedObject } from '../object/stored-metadata.ts';
import type { UploadRecord } from './upload.ts';
import type { UploadContext } from './upload-context.ts';
import { uploadPrefix } from './upload-record.ts';

const LABEL = 'sealgate/1/upload-receipt';

export interface Receipt {
  readonly number: number;
  /** Plaintext bytes. */
  readonly size: number;
  readonly salt: Buffer;
  /** Of the plaintext, 16 bytes; absent where none was computed. */
  readonly md5: Buffer | undefined;
  /** In the upload's algorithm, when it has one. */
  readonly checksum: Buffer | undefined;
  /** Where the sealed part is: a part of the backend's upload, or a staged object in the state bucket. ETags as the store has them. */
  readonly place:
    | { readonly kind: 'backend'; readonly etag: string }
    | { readonly kind: 'staged'; readonly name: string; readonly etag: string };
  /** When it was acknowledged, milliseconds since 1970: the later of two receipts counts. */
  readonly time: number;
}

interface Encoded {
  readonly n: number;
  readonly b: number;
  readonly s: string;
  readonly m?: string;
  readonly c?: string;
  readonly e: string;
  readonly g?: string;
  readonly t: number;
}

/** The ETag of a part as clients are told it, unquoted. */
export function partEtag(mode: EtagMode, { md5, place }: Pick<Receipt, 'md5' | 'place'>): string {
  return sealedEtag(mode, { late: { ...(md5 === undefined ? {} : { md5 }), partCount: 0 }, stored: place.etag });
}

/** A fresh name for the sealed bytes of a staged part. */
export function stagedName(record: UploadRecord, number: number): string {
  return `${uploadPrefix(record.id)}staged/${padded(number)}-${randomBytes(9).toString('base64url')}`;
}

export async function writeReceipt(context: UploadContext, record: UploadRecord, receipt: Receipt): Promise<void> {
  const encoded: Encoded = {
    n: receipt.number,
    b: receipt.size,
    s: receipt.salt.toString('base64url'),
    ...(receipt.md5 === undefined ? {} : { m: receipt.md5.toString('base64url') }),
    ...(receipt.checksum === undefined ? {} : { c: receipt.checksum.toString('base64url') }),
    e: receipt.place.etag,
    ...(receipt.place.kind === 'staged' ? { g: receipt.place.name } : {}),
    t: receipt.time,
  };
  const box = sealBox({ ...purpose(record), plaintext: Buffer.from(JSON.stringify(encoded)) });
  await context.store.state.replace(receiptName(record, receipt.number, box), Buffer.alloc(0), context.signal);
}

function receiptName(record: UploadRecord, number: number, box: Buffer): string {
  return `${receiptsPrefix(record)}${padded(number)}-${inSegments(box.toString('base64url'))}`;
}

let latest = 0;
/** Now, in milliseconds since 1970, and later than any time given out before: two attempts of one process never tie. */
export function receiptTime(now: Date): number {
  latest = Math.max(now.getTime(), latest + 1);
  return latest;
}

export interface UploadState {
  readonly receipts: readonly Receipt[];
  /** Every name under the upload, for removing it. */
  readonly names: readonly string[];
}

/** Everything kept for an upload, opened or not. */
export function readNames(context: UploadContext, id: string): Promise<string[]> {
  return Array.fromAsync(context.store.state.list(uploadPrefix(id), context.signal));
}

/** Everything acknowledged so far. @throws S3Error InternalError for a receipt that does not open */
export async function readReceipts(context: UploadContext, record: UploadRecord): Promise<UploadState> {
  const prefix = receiptsPrefix(record);
  const names = await readNames(context, record.id);
  const receipts = names.filter((name) => name.startsWith(prefix));
  return { receipts: await openReceipts(context, record, receipts), names };
}

/** Those of one part, one for each attempt: of thousands of parts no other is listed. @throws as `readReceipts` */
export async function readReceiptsOf(
  context: UploadContext,
  record: UploadRecord,
  number: number,
): Promise<readonly Receipt[]> {
  const { state } = context.store;
  const names = await Array.fromAsync(state.list(`${receiptsPrefix(record)}${padded(number)}-`, context.signal));
  return openReceipts(context, record, names);
}

function receiptsPrefix(record: UploadRecord): string {
  return `${uploadPrefix(record.id)}receipts/`;
}

async function openReceipts(
  context: UploadContext,
  record: UploadRecord,
  names: readonly string[],
): Promise<readonly Receipt[]> {
  const receipts = names.flatMap((name) => openReceipt(record, name) ?? []);
  if (receipts.length === names.length) return receipts;
  throw await asObjectFailure(context, record, new MalformedSealedObject('a receipt of the upload does not open'));
}

function openReceipt(record: UploadRecord, name: string): Receipt | undefined {
  const text = name.slice(receiptsPrefix(record).length + NUMBER_DIGITS + 1);
  const box = Buffer.from(text.replaceAll('/', ''), 'base64url');
  const plaintext = openBox({ ...purpose(record), box });
  // Authentic when it opens, so written by writeReceipt.
  const encoded = plaintext === undefined ? undefined : (JSON.parse(plaintext.toString('utf8')) as Encoded);
  if (encoded === undefined || receiptName(record, encoded.n, box) !== name) return undefined;
  return {
    number: encoded.n,
    size: encoded.b,
    salt: Buffer.from(encoded.s, 'base64url'),
    md5: encoded.m === undefined ? undefined : Buffer.from(encoded.m, 'base64url'),
    checksum: encoded.c === undefined ? undefined : Buffer.from(encoded.c, 'base64url'),
    place:
      encoded.g === undefined
        ? { kind: 'backend', etag: encoded.e }
        : { kind: 'staged', name: encoded.g, etag: encoded.e },
    time: encoded.t,
  };
}

/** Stores that keep objects as files take at most 255 bytes between two slashes. */
function inSegments(text: string): string {
  return (text.match(/.{1,200}/g) ?? []).join('/');
}

function purpose(record: UploadRecord) {
  return { dek: record.dek, label: LABEL, context: [Buffer.from(record.id, 'hex')] };
}

const NUMBER_DIGITS = 5;
function padded(number: number): string {
  return String(number).padStart(NUMBER_DIGITS, '0');
}
