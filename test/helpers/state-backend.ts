/**
 * A backend in memory for tests of what lies above one: conditional GET, PUT and DELETE, ListObjectsV2 and
 * ListObjectVersions with pages, versioning on request, and switches that make it fail. Nothing else of S3.
 */
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import {
  type Backend,
  type BackendRequest,
  type BackendResponse,
  BackendUnavailable,
} from '../../proxy/backend/backend.ts';
import { renderErrorXml, renderXml } from '../../proxy/xml/render-xml.ts';

interface Version {
  readonly id: string;
  readonly body: Buffer;
  readonly etag: string;
  readonly modified: Date;
}

export class StateBackend implements Backend {
  readonly description = 'memory';
  /** Every request, in order. */
  readonly requests: BackendRequest[] = [];
  /** Rows of one listing page. */
  pageSize = 1000;
  /** Keeps replaced and deleted versions, as a versioned bucket does. */
  isVersioned = false;
  /** Throws BackendUnavailable from every request while set. */
  isDown = false;
  /** Answers instead of the store when it returns a response; may wait. */
  intercept: (request: BackendRequest) => Promise<BackendResponse | undefined> | BackendResponse | undefined = () =>
    undefined;
  /** When what is written was written. */
  now = () => new Date();
  readonly #buckets = new Map<string, Map<string, Version[]>>();
  #versions = 0;

  async send(request: BackendRequest): Promise<BackendResponse> {
    request.signal.throwIfAborted();
    this.requests.push(request);
    if (this.isDown) throw new BackendUnavailable('switched off');
    const answer = await this.intercept(request);
    request.signal.throwIfAborted();
    return answer ?? this.#serve(request);
  }

  async close(): Promise<void> {}

  /** Bytes of the latest version. */
  stored(bucket: string, key: string): Buffer | undefined {
    return this.#buckets.get(bucket)?.get(key)?.at(-1)?.body;
  }

  /** Puts bytes there behind everybody's back. */
  overwrite(bucket: string, key: string, body: Buffer): void {
    const objects = this.#buckets.get(bucket) ?? new Map<string, Version[]>();
    this.#buckets.set(bucket, objects);
    this.#add(objects, key, body);
  }

  remove(bucket: string, key: string): void {
    this.#buckets.get(bucket)?.delete(key);
  }

  keys(bucket: string): readonly string[] {
    return [...(this.#buckets.get(bucket)?.keys() ?? [])].sort();
  }

  versions(bucket: string, key: string): number {
    return this.#buckets.get(bucket)?.get(key)?.length ?? 0;
  }

  /** Everything the backend holds, names included, as one buffer. */
  everything(): Buffer {
    const parts: Buffer[] = [];
    for (const [bucket, objects] of this.#buckets) {
      for (const [key, versions] of objects) {
        parts.push(Buffer.from(`${bucket}/${key}\n`), ...versions.map((version) => version.body));
      }
    }
    return Buffer.concat(parts);
  }

  #serve(request: BackendRequest): BackendResponse {
    const { method, bucket = '', key } = request;
    const objects = this.#buckets.get(bucket);
    if (key === undefined && method === 'PUT') {
      if (objects !== undefined) return failure(409, 'BucketAlreadyOwnedByYou');
      this.#buckets.set(bucket, new Map());
      return reply(200);
    }
    if (objects === undefined) return method === 'HEAD' ? reply(404) : failure(404, 'NoSuchBucket');
    if (key === undefined) return method === 'HEAD' ? reply(200) : this.#list(objects, request);
    if (method === 'PUT') return this.#put(objects, key, request);
    if (method === 'DELETE') return this.#delete(objects, key, request);
    if (method === 'GET') return get(objects.get(key)?.at(-1), request);
    return failure(501, 'NotImplemented');
  }

  #put(objects: Map<string, Version[]>, key: string, { headers = {}, body }: BackendRequest): BackendResponse {
    const current = objects.get(key)?.at(-1);
    if (headers['if-none-match'] === '*' && current !== undefined) return failure(412, 'PreconditionFailed');
    const ifMatch = headers['if-match'];
    if (ifMatch !== undefined && current === undefined) return failure(404, 'NoSuchKey');
    if (ifMatch !== undefined && current?.etag !== ifMatch) return failure(412, 'PreconditionFailed');
    if (!Buffer.isBuffer(body)) return failure(501, 'NotImplemented');
    const version = this.#add(objects, key, Buffer.from(body));
    return reply(200, '', { etag: version.etag, ...(this.isVersioned ? { 'x-amz-version-id': version.id } : {}) });
  }

  #add(objects: Map<string, Version[]>, key: string, body: Buffer): Version {
    const etag = `"${createHash('md5').update(body).digest('hex')}"`;
    this.#versions += 1;
    const version = { id: `v${this.#versions}`, body, etag, modified: this.now() };
    objects.set(key, [...(this.isVersioned ? (objects.get(key) ?? []) : []), version]);
    return version;
  }

  #delete(objects: Map<string, Version[]>, key: string, request: BackendRequest): BackendResponse {
    const versionId = request.query?.find(([name]) => name === 'versionId')?.[1];
    const kept = versionId === undefined ? [] : (objects.get(key) ?? []).filter((version) => version.id !== versionId);
    if (kept.length === 0) objects.delete(key);
    else objects.set(key, kept);
    return reply(204);
  }

  #list(objects: Map<string, Version[]>, { query = [] }: BackendRequest): BackendResponse {
    const value = (wanted: string) => query.find(([name]) => name === wanted)?.[1];
    const after = value('continuation-token') ?? value('start-after') ?? '';
    const keys = [...objects.keys()].filter((key) => key.startsWith(value('prefix') ?? '') && key > after).sort();
    const encode = (key: string) => encodeURIComponent(key).replaceAll('%20', '+').replaceAll('%2F', '/');
    if (value('versions') !== undefined) {
      const rows = keys.flatMap((key) => {
        const versions = objects.get(key) ?? [];
        return versions.map(({ id }) => ({ Key: encode(key), VersionId: id, IsLatest: id === versions.at(-1)?.id }));
      });
      return reply(200, renderXml('ListVersionsResult', { EncodingType: 'url', Version: rows }));
    }
    const page = keys.slice(0, Math.min(this.pageSize, Number(value('max-keys') ?? this.pageSize)));
    const isTruncated = keys.length > page.length;
    const rows = page.map((key) => ({ Key: encode(key) }));
    const token = isTruncated ? page.at(-1) : undefined;
    return reply(
      200,
      renderXml('ListBucketResult', {
        IsTruncated: isTruncated,
        EncodingType: 'url',
        Contents: rows,
        NextContinuationToken: token,
      }),
    );
  }
}

function get(version: Version | undefined, { headers = {} }: BackendRequest): BackendResponse {
  if (version === undefined) return failure(404, 'NoSuchKey');
  if (headers['if-none-match'] === version.etag) return reply(304, '', { etag: version.etag });
  return reply(200, version.body, { etag: version.etag, 'last-modified': version.modified.toUTCString() });
}

export function failure(status: number, code: string): BackendResponse {
  return reply(status, renderErrorXml({ Code: code }));
}

export function reply(
  status: number,
  body: Buffer | string = '',
  headers: Record<string, string> = {},
): BackendResponse {
  const bytes = Buffer.from(body);
  return { status, headers, body: Readable.from(bytes.length === 0 ? [] : [bytes]) };
}
