/**
 * A small S3 store in memory that does everything right, unless told which rules to break: the counterpart of the strict
 * backend, for tests of the probe and of the wrappers. Between looking and writing nothing else runs, so that its
 * conditions are atomic.
 */
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { crc32c } from '@node-rs/crc32';
import type { Backend, BackendRequest, BackendResponse } from '../../proxy/backend/backend.ts';
import { parseXml, renderErrorXml, renderXml, type XmlElement } from '../../proxy/xml/render-xml.ts';
import { userMetadata } from './user-metadata.ts';

interface StoredObject {
  readonly body: Buffer;
  readonly etag: string;
  /** All request headers that are kept: x-amz-meta-*, content-type and the like. */
  readonly headers: Readonly<Record<string, string>>;
  readonly modified: Date;
}

/** What a store may get wrong. */
export type Flaw =
  | 'put-if-none-match'
  | 'put-if-match'
  | 'delete-if-match'
  | 'copy-if-match'
  | 'copy-source-if-match'
  | 'complete-if-match'
  | 'stores-cut-bodies'
  | 'ignores-content-md5'
  | 'ignores-crc32c'
  | 'refuses-crc32c'
  | 'equal-parts'
  | 'no-versioning'
  | 'keeps-metadata'
  | 'lists-no-metadata'
  | 'lists-short-metadata'
  /** Looks first, writes a little later: two writers both pass. */
  | 'races';

export interface ModelStore extends Backend {
  /** By `bucket/key`. Tests may read and change it. */
  readonly objects: Map<string, StoredObject>;
  readonly uploads: Map<string, { target: string; parts: Map<number, StoredObject> }>;
}

interface Reply {
  readonly status: number;
  readonly headers?: Record<string, string>;
  readonly body?: Buffer | string;
}

const KEPT = /^(x-amz-meta-.*|content-type|content-disposition|content-encoding|cache-control)$/;

export function modelStore(o: { flaws?: readonly Flaw[] } = {}): ModelStore {
  const model = new Model(o.flaws ?? []);
  return {
    description: 'model',
    objects: model.objects,
    uploads: model.uploads,
    send: async (request) => responseOf(await model.answer(request), request),
    close: async () => undefined,
  };
}

class Model {
  readonly objects = new Map<string, StoredObject>();
  readonly uploads: ModelStore['uploads'] = new Map();
  readonly #flaws: ReadonlySet<Flaw>;
  #nextUpload = 1;

  constructor(flaws: readonly Flaw[]) {
    this.#flaws = new Set(flaws);
  }

  async #put(request: BackendRequest, target: string): Promise<Reply> {
    const { body, cut } = await collect(request);
    if (cut !== undefined && !this.#flaws.has('stores-cut-bodies')) throw cut;
    const md5 = request.headers?.['content-md5'];
    if (md5 !== undefined && md5 !== digest(body).toString('base64') && !this.#flaws.has('ignores-content-md5')) {
      return failure(400, 'BadDigest');
    }
    const crc = request.headers?.['x-amz-checksum-crc32c'];
    if (crc !== undefined && this.#flaws.has('refuses-crc32c')) return failure(501, 'NotImplemented');
    if (crc !== undefined && crc !== crc32cText(body) && !this.#flaws.has('ignores-crc32c')) {
      return failure(400, 'BadDigest');
    }
    const object = stored(body, kept(request));
    const upload = this.uploads.get(query(request, 'uploadId') ?? '');
    if (query(request, 'partNumber') !== undefined) {
      if (upload === undefined) return failure(404, 'NoSuchUpload');
      upload.parts.set(Number(query(request, 'partNumber')), object);
      return { status: 200, headers: { etag: object.etag } };
    }
    const refused = this.#refusal(request, target, ['put-if-none-match', 'put-if-match']);
    if (refused !== undefined) return refused;
    if (this.#flaws.has('races')) await new Promise((resolve) => setImmediate(resolve));
    this.objects.set(target, object);
    if (cut !== undefined) throw cut;
    return { status: 200, headers: { etag: object.etag } };
  }

  async #copy(request: BackendRequest, target: string): Promise<Reply> {
    const { 'x-amz-copy-source': name = '', 'x-amz-copy-source-if-match': pin } = request.headers ?? {};
    const source = this.objects.get(decodeURIComponent(name.replace(/^\//, '').split('?')[0] ?? ''));
    if (source === undefined) return failure(404, 'NoSuchKey');
    if (pin !== undefined && pin !== source.etag && !this.#flaws.has('copy-source-if-match')) {
      return failure(412, 'PreconditionFailed');
    }
    const refused = this.#refusal(request, target, ['copy-if-match', 'copy-if-match']);
    if (refused !== undefined) return refused;
    const replaces = request.headers?.['x-amz-metadata-directive'] === 'REPLACE' && !this.#flaws.has('keeps-metadata');
    this.objects.set(target, { ...source, headers: replaces ? kept(request) : source.headers, modified: new Date() });
    return xml('CopyObjectResult', { ETag: source.etag, LastModified: new Date().toISOString() });
  }

  async #complete(request: BackendRequest, target: string): Promise<Reply> {
    const id = query(request, 'uploadId') ?? '';
    const upload = this.uploads.get(id);
    if (upload === undefined) return failure(404, 'NoSuchUpload');
    const document = parseXml((await collect(request)).body.toString(), 'CompleteMultipartUpload');
    const parts = document.children('Part').map((part) => upload.parts.get(Number(part.value('PartNumber'))));
    if (parts.some((part) => part === undefined)) return failure(400, 'InvalidPart');
    const bodies = parts.flatMap((part) => (part === undefined ? [] : [part.body]));
    const sizes = new Set(bodies.slice(0, -1).map((body) => body.length));
    if (this.#flaws.has('equal-parts') && sizes.size > 1) return failure(400, 'InvalidPart');
    const refused = this.#refusal(request, target, ['complete-if-match', 'complete-if-match']);
    if (refused !== undefined) return refused;
    this.uploads.delete(id);
    const joined = digest(Buffer.concat(bodies.map(digest))).toString('hex');
    this.objects.set(target, { ...stored(Buffer.concat(bodies), {}), etag: `"${joined}-${bodies.length}"` });
    return xml('CompleteMultipartUploadResult', { ETag: `"${joined}-${bodies.length}"` });
  }

  async #remove(request: BackendRequest, target: string): Promise<Reply> {
    if (query(request, 'uploadId') !== undefined) {
      return { status: this.uploads.delete(query(request, 'uploadId') ?? '') ? 204 : 404 };
    }
    const refused = this.#refusal(request, target, ['delete-if-match', 'delete-if-match']);
    if (refused !== undefined) return refused;
    this.objects.delete(target);
    return { status: 204 };
  }

  #refusal(request: BackendRequest, target: string, may: readonly [Flaw, Flaw]): Reply | undefined {
    const { 'if-none-match': absent, 'if-match': match } = request.headers ?? {};
    const current = this.objects.get(target);
    if (absent !== undefined && current !== undefined && !this.#flaws.has(may[0]))
      return failure(412, 'PreconditionFailed');
    if (match === undefined || this.#flaws.has(may[1])) return undefined;
    if (current === undefined) return failure(404, 'NoSuchKey');
    return match === current.etag || match === '*' ? undefined : failure(412, 'PreconditionFailed');
  }

  #get(request: BackendRequest, target: string): Reply {
    const object = this.objects.get(target);
    if (object === undefined) return failure(404, 'NoSuchKey');
    const headers = { ...object.headers, etag: object.etag, 'last-modified': object.modified.toUTCString() };
    const { range, 'if-match': match } = request.headers ?? {};
    if (match !== undefined && match !== object.etag) return failure(412, 'PreconditionFailed');
    const bounds = /^bytes=(\d+)-(\d*)$/.exec(range ?? '');
    if (bounds === null) return { status: 200, headers, body: object.body };
    const [first, last] = [Number(bounds[1]), bounds[2] === '' ? object.body.length - 1 : Number(bounds[2])];
    const content = `bytes ${first}-${Math.min(last, object.body.length - 1)}/${object.body.length}`;
    return {
      status: 206,
      headers: { ...headers, 'content-range': content },
      body: object.body.subarray(first, last + 1),
    };
  }

  #list(request: BackendRequest): Reply {
    if (query(request, 'versioning') !== undefined) {
      return this.#flaws.has('no-versioning') ? failure(501, 'NotImplemented') : xml('VersioningConfiguration', {});
    }
    const prefix = `${request.bucket}/${query(request, 'prefix') ?? ''}`;
    const rows = [...this.objects].filter(([target]) => target.startsWith(prefix)).sort(([a], [b]) => (a < b ? -1 : 1));
    const shows = query(request, 'metadata') === 'true' && !this.#flaws.has('lists-no-metadata');
    const most = this.#flaws.has('lists-short-metadata') ? 100 : Number.POSITIVE_INFINITY;
    const contents = rows.map(([target, object]) => ({
      Key: encodeURIComponent(target.slice(`${request.bucket}/`.length)),
      LastModified: object.modified.toISOString(),
      ETag: object.etag,
      Size: object.body.length,
      UserMetadata: shows ? userMetadata(cut(object.headers, most)) : undefined,
    }));
    const versions = query(request, 'versions') !== undefined;
    const common = { EncodingType: 'url', IsTruncated: false };
    return versions
      ? xml('ListVersionsResult', { ...common, Version: contents.map((row) => ({ ...row, VersionId: 'null' })) })
      : xml('ListBucketResult', { ...common, Contents: contents });
  }

  #listParts(request: BackendRequest): Reply {
    const upload = this.uploads.get(query(request, 'uploadId') ?? '');
    if (upload === undefined) return failure(404, 'NoSuchUpload');
    const parts = [...upload.parts].sort(([a], [b]) => a - b);
    return xml('ListPartsResult', {
      IsTruncated: false,
      Part: parts.map(([number, { etag, body }]) => ({ PartNumber: number, ETag: etag, Size: body.length })),
    });
  }

  async answer(request: BackendRequest): Promise<Reply> {
    const { method, bucket, key } = request;
    const target = `${bucket}/${key}`;
    if (key === undefined) return method === 'GET' ? this.#list(request) : { status: 200 };
    if (method === 'PUT')
      return request.headers?.['x-amz-copy-source'] ? this.#copy(request, target) : this.#put(request, target);
    if (method === 'DELETE') return this.#remove(request, target);
    if (method === 'POST' && query(request, 'uploads') !== undefined) {
      const id = `upload-${this.#nextUpload++}`;
      this.uploads.set(id, { target, parts: new Map() });
      return xml('InitiateMultipartUploadResult', { UploadId: id });
    }
    if (method === 'POST') return this.#complete(request, target);
    return query(request, 'uploadId') === undefined ? this.#get(request, target) : this.#listParts(request);
  }
}

function responseOf(reply: Reply, request: BackendRequest): BackendResponse {
  const body = Buffer.from(reply.body ?? '');
  const headers = { 'content-length': String(body.length), ...reply.headers };
  const sent = request.method === 'HEAD' || body.length === 0 ? [] : [body];
  return { status: reply.status, headers, body: Readable.from(sent) };
}

async function collect(request: BackendRequest): Promise<{ body: Buffer; cut?: unknown }> {
  const { body } = request;
  if (body === undefined || Buffer.isBuffer(body)) return { body: body ?? Buffer.alloc(0) };
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of body.chunks) chunks.push(chunk);
  } catch (cut) {
    return { body: Buffer.concat(chunks), cut };
  }
  const whole = Buffer.concat(chunks);
  return whole.length === body.length ? { body: whole } : { body: whole, cut: new TypeError('wrong body length') };
}

function kept(request: BackendRequest): Record<string, string> {
  return Object.fromEntries(Object.entries(request.headers ?? {}).filter(([name]) => KEPT.test(name)));
}

function stored(body: Buffer, headers: Record<string, string>): StoredObject {
  return { body, etag: `"${digest(body).toString('hex')}"`, headers, modified: new Date() };
}

/** Each value to so many characters. */
function cut(headers: Readonly<Record<string, string>>, most: number): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, value.slice(0, most)]));
}

function query(request: BackendRequest, name: string): string | undefined {
  return request.query?.find(([one]) => one === name)?.[1];
}

function digest(body: Buffer): Buffer {
  return createHash('md5').update(body).digest();
}

function failure(status: number, code: string): Reply {
  return {
    status,
    headers: { 'content-type': 'application/xml' },
    body: renderErrorXml({ Code: code, Message: code }),
  };
}

function xml(root: string, content: XmlElement): Reply {
  return { status: 200, headers: { 'content-type': 'application/xml' }, body: renderXml(root, content) };
}

function crc32cText(body: Buffer): string {
  const value = Buffer.alloc(4);
  value.writeUInt32BE(crc32c(body));
  return value.toString('base64');
}
