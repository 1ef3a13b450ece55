/**
 * Completes an upload: the client's list is compared with the acknowledged parts, the footer goes up as one more backend part,
 * the backend completes with pinned ETags, and the state is removed. Before the backend's Complete nothing is visible; after it
 * the object is whole. A Complete that finds the upload gone reads the object and compares the fingerprint.
 */
import { createHash } from 'node:crypto';
import type { LateAttributes } from '../../crypto/attributes.ts';
import { type FooterRequest, type PartEntry, sealFooter } from '../../crypto/footer.ts';
import { type BackendResponse, BackendUnavailable } from '../backend/backend.ts';
import { backendFailure, readErrorBody, readErrorResponse } from '../backend/errors.ts';
import { readBody } from '../backend/read-body.ts';
import type { BackendErrorDocument } from '../backend/trouble/store-refusal.ts';
import { S3Error } from '../errors.ts';
import { MAX_BACKEND_XML_BYTES } from '../limits.ts';
import { parseAnyXml, renderXml, type XmlNode } from '../xml/render-xml.ts';
import { backendUpload } from './backend-parts.ts';
import { multipartMd5, objectChecksum } from './checksums.ts';
import type { CurrentPart, UploadView } from './current-parts.ts';
import { hasRoomFor, type Piece, sendRest } from './send-rest.ts';
import type { UploadRecord } from './upload.ts';
import type { UploadContext } from './upload-context.ts';
import { noSuchUpload } from './upload-record.ts';

/** A part that this Complete relies on was replaced before the backend joined them: by another Complete, or an upload. */
export class PiecesReplaced extends Error {
  readonly code = 'PIECES_REPLACED';
}

export function lateAttributesOf(
  record: UploadRecord,
  parts: readonly CurrentPart[],
  uploadFingerprint: Buffer,
): Omit<LateAttributes, 'table'> {
  const { checksum } = record;
  const md5 = multipartMd5(parts);
  return {
    ...(md5 === undefined ? {} : { md5 }),
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

export interface CompletedAtBackend {
  readonly headers: BackendResponse['headers'];
  /** As the backend's answer has it. */
  readonly etag: string | undefined;
}

/**
 * Sends the footer and completes. Each call seals another footer: a Complete that is sent again never repeats a key.
 * @returns the headers of the backend's answer, and its ETag of the object
 * @throws PiecesReplaced, and S3Error for every other refusal
 */
export async function completeAtBackend(
  context: UploadContext,
  record: UploadRecord,
  o: {
    view: UploadView;
    parts: readonly CurrentPart[];
    late: LateAttributes;
    conditions: Readonly<Record<string, string>>;
  },
): Promise<CompletedAtBackend> {
  const footer = sealFooterOf(context, record, o);
  const pieces = await sendRest(context, record, { ...o, footer });
  const { bucket, key, uploadId } = record;
  const response = await context.store.backend.send({
    method: 'POST',
    bucket,
    key,
    query: [['uploadId', uploadId]],
    headers: { ...context.accountHeaders, 'content-type': 'application/xml', ...o.conditions },
    body: Buffer.from(
      renderXml('CompleteMultipartUpload', {
        Part: pieces.map(({ number, etag }) => ({ PartNumber: number, ETag: etag })),
      }),
    ),
    signal: context.signal,
  });
  const { refusal, etag } = await outcomeOf(response);
  if (refusal === undefined) return { headers: response.headers, etag };
  const { code } = refusal;
  if (code === 'NoSuchUpload') throw noSuchUpload(record);
  if (code === 'InvalidPart' || code === 'InvalidPartOrder') {
    if (await stillThere(context, record, pieces)) throw new S3Error('InvalidPart');
    throw new PiecesReplaced();
  }
  throw backendFailure(refusal, { operation: 'CompleteMultipartUpload', bucket, key, uploadId });
}

/** S3 may begin with 200 and end with an error: then the document says so. */
async function outcomeOf(
  response: BackendResponse,
): Promise<{ refusal: BackendErrorDocument | undefined; etag: string | undefined }> {
  if (response.status !== 200) return { refusal: await readErrorResponse(response), etag: undefined };
  const document = await readBody(response, { maxBytes: MAX_BACKEND_XML_BYTES });
  const root = parsed(document.toString('utf8').trim());
  const isRefusal = root.child('Error') !== undefined;
  const etag = root.child('CompleteMultipartUploadResult')?.value('ETag');
  return { refusal: isRefusal ? readErrorBody(response, document) : undefined, etag };
}

/** A document that cannot be read is no confirmation: the client asks again, and the object then tells. */
function parsed(document: string): XmlNode {
  try {
    return parseAnyXml(document);
  } catch (cause) {
    throw new BackendUnavailable('its answer to CompleteMultipartUpload is not XML', { cause });
  }
}

async function stillThere(context: UploadContext, record: UploadRecord, pieces: readonly Piece[]): Promise<boolean> {
  const { parts } = await backendUpload(context, record);
  return pieces.every(({ number, etag }) => parts.get(number)?.etag === etag);
}

/**
 * A body that becomes one backend part has a length that does not tell its size: its ETag at the store could be that of a PUT.
 * So has one that leaves no part number for the room of a canonical length.
 */
function sealFooterOf(
  context: UploadContext,
  record: UploadRecord,
  { parts, late }: { parts: readonly CurrentPart[]; late: LateAttributes },
): Buffer {
  const seal = (o: { lookUp: boolean }) => sealFooter({ ...footerOf(record, parts, late), ...o });
  const isOnePart = parts.length === 1 && parts[0]?.place.kind === 'staged';
  const footer = seal({ lookUp: isOnePart });
  return hasRoomFor(context, parts, footer.length) ? footer : seal({ lookUp: true });
}

function footerOf(record: UploadRecord, parts: readonly CurrentPart[], late: LateAttributes): FooterRequest {
  const entries: PartEntry[] = parts.map(({ number, size, salt, md5, checksum }) => ({
    number,
    size,
    salt,
    ...(md5 === undefined ? {} : { md5 }),
    ...(checksum === undefined ? {} : { checksum }),
  }));
  return {
    dek: record.dek,
    binding: record.binding,
    layout: 2,
    late,
    parts: entries,
    ...(record.attributesInFooter ? { early: record.attributes } : {}),
    ...(record.checksum === undefined ? {} : { partChecksum: record.checksum.algorithm }),
  };
}
