/**
 * A store in memory that joins parts of any size, for tests that need more of them than S3's 5 MiB allows. What the proxy asks of
 * a store, answered as S3 does, in pages of 1,000 rows; without versions, tags, copies and grouped listings.
 */
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import type { Backend, BackendRequest, BackendResponse } from '../../proxy/backend/backend.ts';
import type { Capabilities } from '../../proxy/backend/capabilities.ts';
import { parseXml, renderXml, type XmlElement } from '../../proxy/xml/render-xml.ts';
import { errorReply, queryValue } from './backend-reply.ts';

interface Stored {
  readonly body: Buffer;
  readonly etag: string;
  readonly headers: Readonly<Record<string, string>>;
}

interface Upload {
  readonly target: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly parts: Map<number, Stored>;
  readonly begun: Date;
}

/** What it can do, so that no probe is needed. */
export const PARTS_STORE_CAPABILITIES: Capabilities = {
  conditionalPut: true,
  conditionalPutIfMatch: true,
  conditionalDelete: false,
  conditionalCopy: false,
  conditionalCopySource: false,
  conditionalComplete: true,
  versioning: false,
  equalParts: false,
  replaceMetadata: true,
  contentMd5: false,
  crc32c: false,
  discardsCutBodies: true,
  listsMetadata: false,
};

const PAGE = 1000;

export class PartsStore implements Backend {
  readonly description = 'parts in memory';
  readonly #buckets = new Map<string, Map<string, Stored>>();
  readonly #uploads = new Map<string, Upload>();
  #count = 0;

  async send(request: BackendRequest): Promise<BackendResponse> {
    request.signal.throwIfAborted();
    const body = await collected(request);
    const { method, bucket = '', key } = request;
    if (request.bucket === undefined) return this.#listBuckets();
    const objects = this.#buckets.get(bucket);
    if (key === undefined && method === 'PUT') return this.#makeBucket(bucket);
    if (objects === undefined) return fails(request, 404, 'NoSuchBucket');
    if (key === undefined) return this.#onBucket(request, objects, body);
    const id = queryValue(request, 'uploadId');
    if (id !== undefined) return this.#onUpload(request, { id, objects, body });
    if (queryValue(request, 'uploads') !== undefined) return this.#create(request);
    if (method === 'PUT') return put(request, objects, body);
    if (method === 'DELETE') return removed(objects, [key]);
    return read(request, objects.get(key));
  }

  async close(): Promise<void> {
    this.#buckets.clear();
    this.#uploads.clear();
  }

  #listBuckets(): BackendResponse {
    const Bucket = [...this.#buckets.keys()].map((Name) => ({ Name }));
    return document('ListAllMyBucketsResult', { Buckets: { Bucket } });
  }

  #makeBucket(bucket: string): BackendResponse {
    if (!this.#buckets.has(bucket)) this.#buckets.set(bucket, new Map());
    return replies(200);
  }

  #onBucket(request: BackendRequest, objects: Map<string, Stored>, body: Buffer): BackendResponse {
    if (request.method === 'HEAD') return replies(200);
    if (queryValue(request, 'delete') !== undefined) {
      const rows = parseXml(body.toString(), 'Delete').children('Object');
      removed(
        objects,
        rows.map((row) => row.value('Key') ?? ''),
      );
      return document('DeleteResult', {});
    }
    if (queryValue(request, 'uploads') !== undefined) return this.#listUploads(request);
    if (queryValue(request, 'list-type') === '2') return listed(request, objects);
    return fails(request, 404, 'NoSuchCORSConfiguration');
  }

  #listUploads(request: BackendRequest): BackendResponse {
    const prefix = `${request.bucket}/${queryValue(request, 'prefix') ?? ''}`;
    const rows = [...this.#uploads].filter(([, { target }]) => target.startsWith(prefix));
    const Upload = rows.map(([id, { target, begun }]) => ({
      Key: target.slice(`${request.bucket}/`.length),
      UploadId: id,
      Initiated: begun.toISOString(),
    }));
    return document('ListMultipartUploadsResult', { IsTruncated: false, Upload });
  }

  #create(request: BackendRequest): BackendResponse {
    const id = `upload-${++this.#count}`;
    const target = `${request.bucket}/${request.key}`;
    this.#uploads.set(id, { target, headers: kept(request), parts: new Map(), begun: new Date() });
    return document('InitiateMultipartUploadResult', { UploadId: id });
  }

  #onUpload(request: BackendRequest, o: { id: string; objects: Map<string, Stored>; body: Buffer }): BackendResponse {
    const upload = this.#uploads.get(o.id);
    if (upload === undefined || upload.target !== `${request.bucket}/${request.key}`) {
      return fails(request, 404, 'NoSuchUpload');
    }
    if (request.method === 'GET') return parts(request, upload);
    if (request.method === 'PUT') {
      const part = { body: o.body, etag: quotedMd5(o.body), headers: {} };
      upload.parts.set(Number(queryValue(request, 'partNumber')), part);
      return replies(200, { etag: part.etag });
    }
    if (request.method === 'POST') {
      const rows = parseXml(o.body.toString(), 'CompleteMultipartUpload').children('Part');
      const chosen = rows.map((row) => {
        const part = upload.parts.get(Number(row.value('PartNumber')));
        return part?.etag === row.value('ETag') ? part : undefined;
      });
      if (chosen.includes(undefined)) return fails(request, 400, 'InvalidPart');
      const refused = refusal(request, o.objects.get(request.key ?? ''));
      if (refused !== undefined) return refused;
      const body = Buffer.concat(chosen.flatMap((part) => (part === undefined ? [] : [part.body])));
      const etag = `${quotedMd5(body).slice(0, -1)}-${rows.length}"`;
      o.objects.set(request.key ?? '', { body, etag, headers: upload.headers });
    }
    this.#uploads.delete(o.id);
    if (request.method !== 'POST') return replies(204);
    return document('CompleteMultipartUploadResult', { ETag: o.objects.get(request.key ?? '')?.etag });
  }
}

async function collected({ body }: BackendRequest): Promise<Buffer> {
  if (body === undefined || Buffer.isBuffer(body)) return Buffer.from(body ?? '');
  const chunks: Buffer[] = [];
  for await (const chunk of body.chunks) chunks.push(chunk);
  const whole = Buffer.concat(chunks);
  if (whole.length !== body.length) throw new Error('a body is not as long as announced');
  return Buffer.from(whole);
}

function put(request: BackendRequest, objects: Map<string, Stored>, body: Buffer): BackendResponse {
  const key = request.key ?? '';
  const refused = refusal(request, objects.get(key));
  if (refused !== undefined) return refused;
  objects.set(key, { body, etag: quotedMd5(body), headers: kept(request) });
  return replies(200, { etag: quotedMd5(body) });
}

/** For a condition that does not hold. */
function refusal(request: BackendRequest, current: Stored | undefined): BackendResponse | undefined {
  const { 'if-none-match': absent, 'if-match': match } = request.headers ?? {};
  if (match !== undefined && current === undefined) return fails(request, 404, 'NoSuchKey');
  const holds = (absent === undefined || current === undefined) && (match === undefined || match === current?.etag);
  return holds ? undefined : fails(request, 412, 'PreconditionFailed');
}

function removed(objects: Map<string, Stored>, keys: readonly string[]): BackendResponse {
  for (const key of keys) objects.delete(key);
  return replies(204);
}

function read(request: BackendRequest, object: Stored | undefined): BackendResponse {
  if (object === undefined) return fails(request, 404, 'NoSuchKey');
  const { range, 'if-match': match, 'if-none-match': other } = request.headers ?? {};
  if (match !== undefined && match !== object.etag) return fails(request, 412, 'PreconditionFailed');
  if (other === object.etag) return replies(304, { etag: object.etag });
  const { length } = object.body;
  const [, first = '', last = ''] = /^bytes=(\d*)-(\d*)$/.exec(range ?? 'bytes=0-') ?? [];
  const start = first === '' ? Math.max(0, length - Number(last)) : Number(first);
  const end = first === '' || last === '' ? length : Math.min(length, Number(last) + 1);
  if (range !== undefined && start >= end) return fails(request, 416, 'InvalidRange');
  const headers = {
    ...object.headers,
    etag: object.etag,
    'last-modified': new Date(0).toUTCString(),
    'content-length': String(end - start),
    ...(range === undefined ? {} : { 'content-range': `bytes ${start}-${end - 1}/${length}` }),
  };
  return replies(
    range === undefined ? 200 : 206,
    headers,
    request.method === 'HEAD' ? '' : object.body.subarray(start, end),
  );
}

function listed(request: BackendRequest, objects: Map<string, Stored>): BackendResponse {
  const prefix = queryValue(request, 'prefix') ?? '';
  const after = queryValue(request, 'continuation-token') ?? queryValue(request, 'start-after') ?? '';
  const limit = Number(queryValue(request, 'max-keys') ?? PAGE);
  const all = [...objects]
    .filter(([key]) => key.startsWith(prefix) && key > after)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  const page = all.slice(0, limit);
  const isTruncated = all.length > page.length;
  const Contents = page.map(([key, { body, etag }]) => ({
    Key: encodeURIComponent(key).replaceAll('%2F', '/'),
    LastModified: new Date(0).toISOString(),
    ETag: etag,
    Size: body.length,
  }));
  const token = isTruncated ? page.at(-1)?.[0] : undefined;
  return document('ListBucketResult', {
    EncodingType: 'url',
    IsTruncated: isTruncated,
    NextContinuationToken: token,
    Contents,
  });
}

function parts(request: BackendRequest, upload: Upload): BackendResponse {
  const after = Number(queryValue(request, 'part-number-marker') ?? 0);
  const rest = [...upload.parts].filter(([number]) => number > after).sort(([a], [b]) => a - b);
  const page = rest.slice(0, Number(queryValue(request, 'max-parts') ?? PAGE));
  return document('ListPartsResult', {
    IsTruncated: rest.length > page.length,
    NextPartNumberMarker: page.at(-1)?.[0] ?? 0,
    Part: page.map(([number, { body, etag }]) => ({
      PartNumber: number,
      LastModified: new Date(0).toISOString(),
      ETag: etag,
      Size: body.length,
    })),
  });
}

function kept(request: BackendRequest): Record<string, string> {
  const entries = Object.entries(request.headers ?? {});
  return Object.fromEntries(entries.filter(([name]) => name.startsWith('x-amz-meta-') || name === 'content-type'));
}

function quotedMd5(body: Buffer): string {
  return `"${createHash('md5').update(body).digest('hex')}"`;
}

function document(root: string, content: XmlElement): BackendResponse {
  return replies(200, { 'content-type': 'application/xml' }, renderXml(root, content));
}

function fails(request: BackendRequest, status: number, code: string): BackendResponse {
  return errorReply(request, { status, code });
}

function replies(
  status: number,
  headers: Readonly<Record<string, string>> = {},
  body: Buffer | string = '',
): BackendResponse {
  const bytes = Buffer.from(body);
  const length = { 'content-length': String(bytes.length) };
  return { status, headers: { ...length, ...headers }, body: Readable.from(bytes.length === 0 ? [] : [bytes]) };
}
