/**
 * A multipart upload that the proxy makes on its own account, for what one PUT or one copy cannot carry. Nothing is visible
 * before Complete, and a failed upload is aborted.
 */
import { type BackendBody, BackendUnavailable } from '../backend/backend.ts';
import { discard } from '../backend/read-body.ts';
import { readResult } from '../backend/result.ts';
import { UPLOAD_ABORT_TIMEOUT_MS } from '../limits.ts';
import { renderXml, type XmlNode } from '../xml/render-xml.ts';
import type { StoreAccess } from './context.ts';
import { failureOf } from './object-request.ts';

export interface UpstreamUpload {
  readonly bucket: string;
  readonly key: string;
  readonly uploadId: string;
}

export interface UpstreamResult {
  readonly headers: Readonly<Record<string, string>>;
  readonly document: XmlNode;
}

type Headers = Readonly<Record<string, string>>;

/** A part as Complete names it. */
export interface UpstreamPart {
  readonly number: number;
  readonly etag: string;
  /** `ChecksumSHA256`, ...: what a store wants named again that was told of checksums. */
  readonly checksum?: Readonly<Record<string, string>>;
}

/** Conditions decide at the end, so they go along with Complete and not with Create. */
const CONDITIONS: ReadonlySet<string> = new Set(['if-match', 'if-none-match']);

/**
 * Creates an upload, lets `send` fill it and completes it. `send` returns the parts, or their ETags by number from 1. Whatever
 * fails, the upload is aborted.
 * @throws S3Error, and what `send` throws
 */
export async function uploadUpstream(
  context: StoreAccess,
  o: { bucket: string; key: string; headers: Headers },
  send: (upload: UpstreamUpload) => Promise<readonly (string | UpstreamPart)[]>,
): Promise<UpstreamResult> {
  const entries = Object.entries(o.headers);
  const onCreate = Object.fromEntries(entries.filter(([name]) => !CONDITIONS.has(name)));
  const onComplete = Object.fromEntries(entries.filter(([name]) => CONDITIONS.has(name)));
  const upload = await create(context, o, onCreate);
  try {
    return await complete(context, upload, await send(upload), onComplete);
  } catch (error) {
    await abort(context, upload);
    throw error;
  }
}

async function create(
  context: StoreAccess,
  o: { bucket: string; key: string },
  headers: Headers,
): Promise<UpstreamUpload> {
  const { bucket, key } = o;
  const response = await context.store.backend.send({
    method: 'POST',
    bucket,
    key,
    query: [['uploads', '']],
    headers,
    body: Buffer.alloc(0),
    signal: context.signal,
  });
  const root = 'InitiateMultipartUploadResult';
  const result = await readResult(response, { root, operation: 'CreateMultipartUpload', bucket, key });
  const uploadId = result.value('UploadId');
  if (uploadId === undefined) throw new BackendUnavailable('its answer to CreateMultipartUpload lacks the upload id');
  return { bucket, key, uploadId };
}

/** One part with the given bytes. @returns its ETag @throws S3Error, and what the body throws */
export async function sendUpstreamPart(
  context: StoreAccess,
  upload: UpstreamUpload,
  o: { number: number; body: BackendBody; headers?: Headers },
): Promise<string> {
  const { bucket, key } = upload;
  const response = await context.store.backend.send({
    method: 'PUT',
    bucket,
    key,
    query: partQuery(upload, o.number),
    headers: o.headers ?? {},
    body: o.body,
    signal: context.signal,
  });
  if (response.status !== 200) throw await failureOf(response, { operation: 'UploadPart', bucket, key });
  discard(response);
  return response.headers['etag'] ?? '';
}

/** One part copied inside the backend. @returns its ETag @throws S3Error PreconditionFailed when the pin does not hold */
export async function copyUpstreamPart(
  context: StoreAccess,
  upload: UpstreamUpload,
  o: { number: number; headers: Headers },
): Promise<string> {
  const { bucket, key } = upload;
  const response = await context.store.backend.send({
    method: 'PUT',
    bucket,
    key,
    query: partQuery(upload, o.number),
    headers: o.headers,
    signal: context.signal,
  });
  const result = await readResult(response, { root: 'CopyPartResult', operation: 'UploadPartCopy', bucket, key });
  const etag = result.value('ETag');
  if (etag === undefined) throw new BackendUnavailable('its answer to UploadPartCopy lacks the ETag');
  return etag;
}

/** Names one part of an upload. */
export function partQuery(
  upload: Pick<UpstreamUpload, 'uploadId'>,
  number: number,
): readonly (readonly [string, string])[] {
  return [
    ['partNumber', String(number)],
    ['uploadId', upload.uploadId],
  ];
}

async function complete(
  context: StoreAccess,
  upload: UpstreamUpload,
  sent: readonly (string | UpstreamPart)[],
  conditions: Headers,
): Promise<UpstreamResult> {
  const { bucket, key, uploadId } = upload;
  const parts = sent.map((part, index) =>
    typeof part === 'string'
      ? { PartNumber: index + 1, ETag: part }
      : { ...part.checksum, PartNumber: part.number, ETag: part.etag },
  );
  const response = await context.store.backend.send({
    method: 'POST',
    bucket,
    key,
    query: [['uploadId', uploadId]],
    headers: { 'content-type': 'application/xml', ...conditions },
    body: Buffer.from(renderXml('CompleteMultipartUpload', { Part: parts })),
    signal: context.signal,
  });
  const root = 'CompleteMultipartUploadResult';
  const document = await readResult(response, { root, operation: 'CompleteMultipartUpload', bucket, key });
  return { headers: response.headers, document };
}

/** Best effort, even when the client is gone. The bucket's lifecycle rule for incomplete uploads removes the rest. */
async function abort(context: StoreAccess, upload: UpstreamUpload): Promise<void> {
  const { bucket, key, uploadId } = upload;
  try {
    const response = await context.store.backend.send({
      method: 'DELETE',
      bucket,
      key,
      query: [['uploadId', uploadId]],
      signal: AbortSignal.timeout(UPLOAD_ABORT_TIMEOUT_MS),
    });
    discard(response);
  } catch {
    // The failure that led here is the one to report.
  }
}
