/** UploadPart and UploadPartCopy. A copied part shares the stored bytes of its source; they are read for their MD5 only. */
import { createHash } from 'node:crypto';
import { S3Error } from '../../../errors.ts';
import { LOCAL_LOOKUP_ATTEMPTS, MAX_PART_NUMBER, MAX_PUT_BYTES } from '../../../limits.ts';
import { type BackendResponse, BackendUnavailable } from '../../backend.ts';
import { checkCopySource, readConditions } from '../conditions.ts';
import { openContent } from '../content.ts';
import { copySource } from '../copy-source.ts';
import { type FoundObject, findObject } from '../find-object.ts';
import type { Span } from '../range.ts';
import { BodyFailed, storeBody } from '../receive-body.ts';
import { integerParameter, type StoreRequest } from '../request.ts';
import { isoDate, quoted, reply, xmlReply } from '../respond.ts';
import type { Store } from '../store.ts';

export async function uploadPart(store: Store, request: StoreRequest): Promise<BackendResponse> {
  const part = partNamed(store, request);
  return storeBody(store, request, async (body, transfer) => {
    const etag = quoted(body.md5);
    await store.writer.run('putPart', { ...part, body, modified: store.now() }, transfer);
    return reply(200, { etag });
  });
}

export async function uploadPartCopy(store: Store, request: StoreRequest): Promise<BackendResponse> {
  const part = partNamed(store, request);
  for (let attempt = 0; attempt < LOCAL_LOOKUP_ATTEMPTS; attempt++) {
    const found = findSource(store, request);
    checkCopySource(readConditions(request.headers, 'x-amz-copy-source-'), found.row);
    const span = copiedSpan(request.headers['x-amz-copy-source-range'], found.row.size);
    const length = span.end - span.start;
    if (length > MAX_PUT_BYTES) throw new S3Error('InvalidRequest', 'The copied part is larger than the largest part.');
    const md5 = await md5Of(store, request, { found, span });
    if (md5 === undefined) continue;
    const modified = store.now();
    const source = { body: found.body, start: span.start, length };
    if (!(await store.writer.run('sharePart', { ...part, modified, md5, source }))) continue;
    const { versioning } = found.bucket;
    return xmlReply(
      'CopyPartResult',
      { LastModified: isoDate(modified), ETag: quoted(md5) },
      versioning === '' ? {} : { 'x-amz-copy-source-version-id': found.row.version },
    );
  }
  throw new BackendUnavailable('a stored body is missing, or its object is replaced faster than it can be read');
}

/** @throws S3Error InvalidArgument, NoSuchBucket, NoSuchUpload */
function partNamed(store: Store, request: StoreRequest) {
  const { bucket, key, keyBytes, query } = request;
  const upload = query.get('uploadId') ?? '';
  const number = integerParameter(request, 'partNumber', { min: 1, max: MAX_PART_NUMBER, otherwise: 0 });
  if (number === 0) {
    throw new S3Error('InvalidArgument', undefined, { details: { ArgumentName: 'partNumber', ArgumentValue: '' } });
  }
  store.index.upload(store.index.bucket(bucket).id, keyBytes, upload);
  return { bucket, key, upload, number };
}

function findSource(store: Store, request: StoreRequest): FoundObject {
  const { bucket, key, versionId } = copySource(request.headers['x-amz-copy-source'] ?? '');
  const query = new Map(versionId === undefined ? [] : [['versionId', versionId] as const]);
  try {
    return findObject(store, { ...request, bucket, key, keyBytes: Buffer.from(key), query });
  } catch (error) {
    if (!(error instanceof S3Error)) throw error;
    // The headers that tell of a delete marker are a reply's own, not its source's.
    if (error.code !== 'MethodNotAllowed') throw error.with({ headers: {} });
    throw new S3Error('InvalidRequest', 'The source of a copy request may not specifically refer to a delete marker.');
  }
}

/** @throws S3Error InvalidArgument: unlike a Range header, this range is neither ignored nor cut short */
function copiedSpan(header: string | undefined, size: number): Span {
  if (header === undefined) return { start: 0, end: size };
  const [, first, last] = /^bytes=(\d{1,15})-(\d{1,15})$/.exec(header.trim()) ?? [];
  const span = { start: Number(first), end: Number(last) + 1 };
  if (first !== undefined && last !== undefined && span.start < span.end && span.end <= size) return span;
  const details = { ArgumentName: 'x-amz-copy-source-range', ArgumentValue: header };
  const message = `The x-amz-copy-source-range value must be of the form bytes=first-last and lie within ${size} bytes.`;
  throw new S3Error('InvalidArgument', message, { details });
}

/** @returns undefined when the body is gone. */
async function md5Of(
  store: Store,
  request: StoreRequest,
  { found, span }: { readonly found: FoundObject; readonly span: Span },
): Promise<string | undefined> {
  const whole = span.start === 0 && span.end === found.row.size;
  if (whole && found.row.parts === 0) return found.row.etag;
  const content = await openContent(store, found.body, span);
  if (content === undefined) return undefined;
  const hash = createHash('md5');
  for await (const chunk of content) {
    if (request.signal.aborted) throw new BodyFailed(request.signal.reason);
    hash.update(chunk as Buffer);
  }
  return hash.digest('hex');
}
