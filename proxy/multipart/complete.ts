/**
 * Completing an upload: the client's list against the acknowledged parts, then the footer behind them as one more backend
 * part, then the backend's own Complete with pinned ETags, then the state removed. Up to the backend's Complete nothing is
 * visible; after it the object is whole; whoever finds the upload gone reads the object and compares its fingerprint.
 */
import { createHash } from 'node:crypto';
import type { LateAttributes } from '../../crypto/attributes.ts';
import { type PartEntry, sealFooter } from '../../crypto/footer.ts';
import { PART_HEADER_BYTES, sealedPartBytes } from '../../crypto/layout.ts';
import { type BackendBody, type BackendResponse, BackendUnavailable } from '../backend/backend.ts';
import { backendFailure, readErrorResponse } from '../backend/errors.ts';
import { discard, readBody } from '../backend/read-body.ts';
import { S3Error } from '../errors.ts';
import { MAX_BACKEND_XML_BYTES, MAX_PART_NUMBER } from '../limits.ts';
import { accountHeaders } from '../object/client-headers.ts';
import { SplitSource } from '../object/split-source.ts';
import { failureOf } from '../object/stored-object.ts';
import type { Call } from '../operation.ts';
import { parseAnyXml, renderXml } from '../xml.ts';
import { quoted } from './backend-parts.ts';
import { multipartMd5, objectChecksum } from './checksums.ts';
import type { CurrentPart, UploadView } from './current-parts.ts';
import { noSuchUpload, type UploadRecord } from './upload-record.ts';

/** A backend part that the completed object will consist of. */
interface Piece {
  readonly number: number;
  readonly etag: string;
}

export function lateAttributesOf(
  record: UploadRecord,
  parts: readonly CurrentPart[],
  uploadFingerprint: Buffer,
): Omit<LateAttributes, 'table'> {
  const { checksum } = record;
  return {
    md5: multipartMd5(parts),
    partCount: parts.length,
    size: parts.reduce((sum, part) => sum + part.size, 0),
    checksums:
      checksum === undefined ? [] : [{ ...checksum, value: objectChecksum(checksum, parts.map(withChecksum)) }],
    uploadFingerprint,
  };
}

function withChecksum(part: CurrentPart): { size: number; checksum: Buffer } {
  if (part.checksum === undefined) throw new Error('a part of an upload with checksums has none');
  return { size: part.size, checksum: part.checksum };
}

/** Tells a repeated Complete from another one: the upload and the part list as the client names them. */
export function uploadFingerprint(uploadId: string, parts: readonly { number: number; etag: string }[]): Buffer {
  const hash = createHash('sha256').update(`${uploadId}\n`);
  for (const { number, etag } of parts) hash.update(`${number} ${etag}\n`);
  return hash.digest();
}

/** The backend's answer to Complete: its headers, or the refusal as an error. */
export async function completeAtBackend(
  call: Call,
  record: UploadRecord,
  o: { view: UploadView; parts: readonly CurrentPart[]; late: LateAttributes; conditions: Record<string, string> },
): Promise<BackendResponse['headers']> {
  const footer = sealFooterOf(record, o.parts, o.late);
  const pieces = await sendRest(call, record, { ...o, footer });
  const { bucket, key, uploadId } = record;
  const response = await call.services.backend.send({
    method: 'POST',
    bucket,
    key,
    query: [['uploadId', uploadId]],
    headers: { ...accountHeaders(call.request), 'content-type': 'application/xml', ...o.conditions },
    body: Buffer.from(
      renderXml('CompleteMultipartUpload', {
        Part: pieces.map(({ number, etag }) => ({ PartNumber: number, ETag: etag })),
      }),
    ),
    signal: call.signal,
  });
  if (response.status !== 200) throw await completeFailure(response, record);
  const document = (await readBody(response, { maxBytes: MAX_BACKEND_XML_BYTES })).toString('utf8').trim();
  refuseLateError(document, record);
  return response.headers;
}

/** S3 may begin with 200 and end with an error. */
function refuseLateError(document: string, record: UploadRecord): void {
  const error = parseAnyXml(document).child('Error');
  if (error === undefined) return;
  const code = error.value('Code') ?? '';
  const failure = backendFailure(500, code, {
    operation: 'CompleteMultipartUpload',
    bucket: record.bucket,
    key: record.key,
  });
  throw code === 'NoSuchUpload' ? noSuchUpload(record) : failure;
}

async function completeFailure(response: BackendResponse, record: UploadRecord): Promise<S3Error> {
  const { status, code } = await readErrorResponse(response);
  if (code === 'NoSuchUpload') return noSuchUpload(record);
  // Our own pinned list was refused: a part was replaced between our look and this request. The client's next try sees it.
  if (code === 'InvalidPart' || code === 'InvalidPartOrder') return new S3Error('InvalidPart');
  return backendFailure(status, code, { operation: 'CompleteMultipartUpload', bucket: record.bucket, key: record.key });
}

function sealFooterOf(record: UploadRecord, parts: readonly CurrentPart[], late: LateAttributes): Buffer {
  const entries: PartEntry[] = parts.map(({ number, size, salt, md5, checksum }) => ({
    number,
    size,
    salt,
    md5,
    ...(checksum === undefined ? {} : { checksum }),
  }));
  return sealFooter({
    dek: record.dek,
    layout: 2,
    late,
    parts: entries,
    ...(record.attributesInFooter ? { early: record.attributes } : {}),
    ...(record.checksum === undefined ? {} : { partChecksum: record.checksum.algorithm }),
  });
}

/** Sends what the backend lacks: staged parts, and the footer joined with the last one if that is staged. */
async function sendRest(
  call: Call,
  record: UploadRecord,
  o: { view: UploadView; parts: readonly CurrentPart[]; footer: Buffer },
): Promise<readonly Piece[]> {
  const pieces: Piece[] = [];
  const last = o.parts.at(-1);
  for (const part of o.parts) {
    if (part.place.kind === 'backend') pieces.push({ number: part.number, etag: part.place.etag });
    else if (part !== last) pieces.push(await sendPiece(call, record, part.number, await stagedBody(call, part)));
  }
  const highest = Math.max(0, ...pieces.map(({ number }) => number), ...o.view.backend.parts.keys());
  const tail = last?.place.kind === 'staged' ? await joined(call, last, o.footer) : o.footer;
  return [
    ...pieces,
    ...(await sendTail(call, record, { first: Math.min(highest + 1, MAX_PART_NUMBER), parts: o.parts, tail })),
  ];
}

/** The tail in one piece, or in pieces as long as part 1 where the backend wants equal parts. */
async function sendTail(
  call: Call,
  record: UploadRecord,
  o: { first: number; parts: readonly CurrentPart[]; tail: BackendBody },
): Promise<readonly Piece[]> {
  const one = o.parts[0];
  const equal = call.services.capabilities.equalParts && one?.place.kind === 'backend';
  if (!equal) return [await sendPiece(call, record, o.first, o.tail)];
  const pieces: Piece[] = [];
  const pieceBytes = sealedPartBytes(one.size);
  const source = new SplitSource(Buffer.isBuffer(o.tail) ? once(o.tail) : o.tail.chunks);
  try {
    for (let sent = 0; sent < o.tail.length; sent += pieceBytes) {
      const length = Math.min(pieceBytes, o.tail.length - sent);
      pieces.push(await sendPiece(call, record, o.first + pieces.length, { length, chunks: source.take(length) }));
    }
  } finally {
    await source.close();
  }
  return pieces;
}

async function sendPiece(call: Call, record: UploadRecord, number: number, body: BackendBody): Promise<Piece> {
  const { bucket, key, uploadId } = record;
  const response = await call.services.backend.send({
    method: 'PUT',
    bucket,
    key,
    query: [
      ['partNumber', String(number)],
      ['uploadId', uploadId],
    ],
    headers: accountHeaders(call.request),
    body,
    signal: call.signal,
  });
  if (response.status !== 200) {
    const failure = await failureOf(response, { operation: 'UploadPart', bucket, key });
    throw failure.code === 'NoSuchUpload' ? noSuchUpload(record) : failure;
  }
  discard(response);
  return { number, etag: quoted(response.headers['etag'] ?? '') };
}

/** The sealed bytes of a staged part. @throws NoSuchUpload when another Complete has removed them */
async function stagedBody(call: Call, part: CurrentPart): Promise<Exclude<BackendBody, Buffer>> {
  if (part.place.kind !== 'staged') throw new Error('only staged parts are read back');
  const response = await call.services.backend.send({
    method: 'GET',
    ...call.services.state.locate(part.place.name),
    signal: call.signal,
  });
  const length = sealedPartBytes(part.size);
  if (response.status !== 200 || Number(response.headers['content-length']) !== length) {
    discard(response);
    if (response.status === 404) throw new S3Error('NoSuchUpload');
    throw new BackendUnavailable('a staged part cannot be read back');
  }
  return { length, chunks: response.body };
}

async function joined(call: Call, part: CurrentPart, footer: Buffer): Promise<BackendBody> {
  const staged = await stagedBody(call, part);
  if (staged.length <= SMALL_TAIL_BYTES) {
    const chunks: Buffer[] = [];
    for await (const chunk of staged.chunks) chunks.push(chunk);
    return Buffer.concat([...chunks, footer]);
  }
  return { length: staged.length + footer.length, chunks: followedBy(staged.chunks, footer) };
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
