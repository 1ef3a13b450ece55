/**
 * What the backend lacks when an upload is completed: parts that were staged, and the footer with its pad. The footer follows the last
 * client part as one more backend part, joined with that part when it is staged. A backend that wants equal parts gets the end
 * in pieces as long as the first part.
 */
import { PART_HEADER_BYTES, sealedPartBytes } from '../../crypto/layout.ts';
import { type BackendBody, BackendUnavailable } from '../backend/backend.ts';
import { discard } from '../backend/read-body.ts';
import { S3Error } from '../errors.ts';
import { MAX_PART_NUMBER } from '../limits.ts';
import { failureOf } from '../object/object-request.ts';
import { SplitSource } from '../object/split-source.ts';
import { partQuery } from '../object/upstream-upload.ts';
import { quoted } from './backend-parts.ts';
import type { CurrentPart, UploadView } from './current-parts.ts';
import type { UploadRecord } from './upload.ts';
import type { UploadContext } from './upload-context.ts';
import { noSuchUpload } from './upload-record.ts';

/** A backend part that the completed object will consist of. */
export interface Piece {
  readonly number: number;
  readonly etag: string;
}

/** @returns all pieces of the object, by ascending number. @throws S3Error NoSuchUpload, InvalidRequest, ... */
export async function sendRest(
  context: UploadContext,
  record: UploadRecord,
  o: { view: UploadView; parts: readonly CurrentPart[]; footer: Buffer },
): Promise<readonly Piece[]> {
  const pieces: Piece[] = [];
  const last = o.parts.at(-1);
  for (const part of o.parts) {
    if (part.place.kind === 'backend') pieces.push({ number: part.number, etag: part.place.etag });
    else if (part !== last)
      pieces.push(await sendPiece(context, record, part.number, stagedBody(context, record, part)));
  }
  const tail = last?.place.kind === 'staged' ? await joined(context, record, last, o.footer) : o.footer;
  const pieceBytes = tailPieceBytes(context, o.parts, tail.length);
  const first = firstTailNumber(pieces, [...o.view.backend.parts.keys()], Math.ceil(tail.length / pieceBytes));
  return [...pieces, ...(await sendTail(context, record, { first, pieceBytes, tail }))];
}

/** Whether the end of the object, with a footer of that length, finds part numbers behind the client's parts. */
export function hasRoomFor(context: UploadContext, parts: readonly CurrentPart[], footerBytes: number): boolean {
  const last = parts.at(-1);
  const stagedBytes = last?.place.kind === 'staged' ? sealedPartBytes(last.size) : 0;
  const before = (stagedBytes > 0 ? parts.at(-2) : last)?.number ?? 0;
  const tailBytes = stagedBytes + footerBytes;
  return Math.ceil(tailBytes / tailPieceBytes(context, parts, tailBytes)) <= MAX_PART_NUMBER - before;
}

/** The whole tail at once, or as much of it as the first part has, where all parts but the last must be as long as that. */
function tailPieceBytes(context: UploadContext, parts: readonly CurrentPart[], tailBytes: number): number {
  const [first] = parts;
  if (!context.store.capabilities.equalParts || first === undefined) return tailBytes;
  const isAlone = parts.length === 1 && first.place.kind === 'staged';
  return isAlone ? tailBytes : sealedPartBytes(first.size);
}

/** Above everything uploaded, so that no part of the client's is overwritten should this Complete fail. */
function firstTailNumber(pieces: readonly Piece[], uploaded: readonly number[], count: number): number {
  const highest = uploaded.reduce((a, b) => Math.max(a, b), pieces.at(-1)?.number ?? 0);
  const first = Math.min(highest + 1, MAX_PART_NUMBER + 1 - count);
  if (first > (pieces.at(-1)?.number ?? 0)) return first;
  throw new S3Error('InvalidRequest', 'The part numbers leave no room for the end of the encrypted object.');
}

async function sendTail(
  context: UploadContext,
  record: UploadRecord,
  o: { first: number; pieceBytes: number; tail: BackendBody },
): Promise<readonly Piece[]> {
  const { first, pieceBytes, tail } = o;
  if (tail.length <= pieceBytes) return [await sendPiece(context, record, first, tail)];
  const pieces: Piece[] = [];
  const source = new SplitSource(Buffer.isBuffer(tail) ? once(tail) : tail.chunks);
  try {
    for (let sent = 0; sent < tail.length; sent += pieceBytes) {
      const length = Math.min(pieceBytes, tail.length - sent);
      pieces.push(await sendPiece(context, record, first + pieces.length, { length, chunks: source.take(length) }));
    }
  } finally {
    await source.close();
  }
  return pieces;
}

async function sendPiece(
  context: UploadContext,
  record: UploadRecord,
  number: number,
  body: BackendBody,
): Promise<Piece> {
  const { bucket, key } = record;
  const response = await context.store.backend.send({
    method: 'PUT',
    bucket,
    key,
    query: partQuery(record, number),
    headers: context.accountHeaders,
    body,
    signal: context.signal,
  });
  if (response.status !== 200) {
    const failure = await failureOf(response, { operation: 'UploadPart', bucket, key });
    throw failure.code === 'NoSuchUpload' ? noSuchUpload(record) : failure;
  }
  discard(response);
  return { number, etag: quoted(response.headers['etag'] ?? '') };
}

type Streamed = Exclude<BackendBody, Buffer>;

/** The sealed bytes of a staged part, fetched when they are first asked for, so that nothing is left open when they are not. */
function stagedBody(context: UploadContext, record: UploadRecord, part: CurrentPart): Streamed {
  const length = sealedPartBytes(part.size);
  return { length, chunks: stagedChunks(context, record, part, length) };
}

/** @throws S3Error NoSuchUpload when another Complete has removed them */
async function* stagedChunks(
  context: UploadContext,
  record: UploadRecord,
  part: CurrentPart,
  length: number,
): AsyncGenerator<Buffer> {
  if (part.place.kind !== 'staged') throw new Error('only staged parts are read back');
  const response = await context.store.backend.send({
    method: 'GET',
    ...context.store.state.locate(part.place.name),
    signal: context.signal,
  });
  if (response.status !== 200 || Number(response.headers['content-length']) !== length) {
    discard(response);
    if (response.status === 404) throw noSuchUpload(record);
    throw new BackendUnavailable('a staged part cannot be read back');
  }
  yield* response.body as AsyncIterable<Buffer>;
}

async function joined(
  context: UploadContext,
  record: UploadRecord,
  part: CurrentPart,
  footer: Buffer,
): Promise<BackendBody> {
  const staged = stagedBody(context, record, part);
  if (staged.length > SMALL_TAIL_BYTES) {
    return { length: staged.length + footer.length, chunks: followedBy(staged.chunks, footer) };
  }
  const chunks: Buffer[] = [];
  for await (const chunk of staged.chunks) chunks.push(chunk);
  return Buffer.concat([...chunks, footer]);
}

/** A tail up to this size is sent from memory, and so can be sent again. */
const SMALL_TAIL_BYTES = PART_HEADER_BYTES + 1024 * 1024;

async function* followedBy(chunks: AsyncIterable<Buffer>, footer: Buffer): AsyncGenerator<Buffer> {
  yield* chunks;
  yield footer;
}

async function* once(buffer: Buffer): AsyncGenerator<Buffer> {
  yield buffer;
}
