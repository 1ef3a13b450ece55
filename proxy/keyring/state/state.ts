/**
 * The state bucket: small records under one prefix of a bucket of Sealgate's own, written by compare-and-swap, so that any
 * number of proxies share nothing but the backend (docs/architecture.md, state). Records are sealed or signed by their
 * owners; nothing here trusts or reads them.
 */
import { parseAnswer } from '../../backend/answer-xml.ts';
import { type Backend, type BackendRequest, type BackendResponse, BackendUnavailable } from '../../backend/backend.ts';
import { ensureBucket, hasBucket } from '../../backend/ensure-bucket.ts';
import { readErrorResponse } from '../../backend/errors.ts';
import { discard } from '../../backend/read-body.ts';
import { S3Error } from '../../errors.ts';
import { MAX_BACKEND_XML_BYTES, MAX_STATE_RECORD_BYTES } from '../../limits.ts';
import type { XmlNode } from '../../xml/render-xml.ts';
import {
  decodedKey,
  incomplete,
  isVersioned,
  keyOf,
  noneWithoutVersions,
  readReply,
  unusable,
} from './state-replies.ts';

export interface StateRecord {
  readonly body: Buffer;
  /** As the backend gave it, quotes included. */
  readonly etag: string;
  /** When it was written, by the backend's clock; absent when the backend does not say. */
  readonly modified?: Date;
}

/** The record changed, appeared or went away since it was read. */
export class StateConflict extends Error {
  readonly code = 'STATE_CONFLICT';
  constructor(name: string) {
    super(`State record ${name} was changed by somebody else.`);
    this.name = 'StateConflict';
  }
}

type Send = Omit<BackendRequest, 'bucket' | 'signal'>;

/** Names are relative to the prefix. Everything throws S3Error ServiceUnavailable when the backend gives no usable answer. */
export class StateStore {
  readonly bucket: string;
  readonly #backend: Backend;
  readonly #prefix: string;
  readonly #region: string;

  /** `prefix`: '' or a key prefix; a missing `/` at its end is added. `region`: where a missing bucket is made. */
  constructor(o: { backend: Backend; bucket: string; prefix: string; region?: string }) {
    this.bucket = o.bucket;
    this.#backend = o.backend;
    this.#region = o.region ?? 'us-east-1';
    this.#prefix = o.prefix === '' || o.prefix.endsWith('/') ? o.prefix : `${o.prefix}/`;
  }

  /** Whether the bucket is there. @throws S3Error when the store does not say */
  hasBucket(signal: AbortSignal): Promise<boolean> {
    return hasBucket(this.#backend, { bucket: this.bucket, signal });
  }

  /** Creates the bucket unless it is there. */
  ensureBucket(signal: AbortSignal): Promise<void> {
    return ensureBucket(this.#backend, { bucket: this.bucket, region: this.#region, signal });
  }

  /** `undefined`: there is no such record. */
  async get(name: string, signal: AbortSignal): Promise<StateRecord | undefined> {
    const found = await this.#get(name, {}, signal);
    if (found === 'unchanged') throw incomplete('304 to a GET without a condition');
    return found;
  }

  /** `unchanged`: the record still has `etag`. */
  getIfChanged(name: string, etag: string, signal: AbortSignal): Promise<StateRecord | 'unchanged' | undefined> {
    return this.#get(name, { 'if-none-match': etag }, signal);
  }

  /**
   * Writes one record and returns its new ETag. A replaced version that the bucket's versioning kept is removed.
   * @throws StateConflict. After a request that was sent twice, the conflict may be with one's own write: compare.
   */
  async put(
    name: string,
    body: Buffer,
    o: { ifAbsent: true } | { ifMatch: string },
    signal: AbortSignal,
  ): Promise<string> {
    const condition = 'ifMatch' in o ? { 'if-match': o.ifMatch } : { 'if-none-match': '*' };
    const headers = { 'content-type': 'application/octet-stream', ...condition };
    const response = await this.#send({ method: 'PUT', key: this.#key(name), headers, body }, signal);
    if (response.status !== 200) {
      const answer = await readErrorResponse(response);
      if (answer.status === 412 || answer.code === 'ConditionalRequestConflict') throw new StateConflict(name);
      if (answer.code === 'NoSuchKey') throw new StateConflict(name);
      throw unusable(answer, 'PutObject');
    }
    response.body.destroy();
    const { etag } = response.headers;
    if (etag === undefined) throw incomplete('it stores objects without telling their ETag');
    if ('ifMatch' in o && isVersioned(response)) await this.#purgeOldVersions(name, signal);
    return etag;
  }

  /** Writes a record whatever was there: for names that nobody else writes. */
  async replace(name: string, body: Buffer, signal: AbortSignal): Promise<void> {
    const headers = { 'content-type': 'application/octet-stream' };
    const response = await this.#send({ method: 'PUT', key: this.#key(name), headers, body }, signal);
    if (response.status !== 200) throw unusable(await readErrorResponse(response), 'PutObject');
    discard(response);
  }

  /** The bucket and key of a record at the backend, for callers that stream it. */
  locate(name: string): { bucket: string; key: string } {
    return { bucket: this.bucket, key: this.#key(name) };
  }

  /** Deletes a record and its older versions; one that is absent is no error. */
  async delete(name: string, signal: AbortSignal): Promise<void> {
    const response = await this.#send({ method: 'DELETE', key: this.#key(name) }, signal);
    if (response.status !== 204 && response.status !== 200) {
      const answer = await readErrorResponse(response);
      if (answer.code !== 'NoSuchKey') throw unusable(answer, 'DeleteObject');
      return;
    }
    response.body.destroy();
    if (isVersioned(response)) await this.#purgeOldVersions(name, signal);
  }

  /**
   * Deletes every version of a record, and the delete markers too, whatever the bucket's versioning is now or was before.
   * @throws S3Error ServiceUnavailable; also when the backend refuses to list versions: then older ones may be left
   */
  async shred(name: string, signal: AbortSignal): Promise<void> {
    await this.delete(name, signal);
    const key = this.#key(name);
    const versions = await this.#versionsOf(key, signal).catch(noneWithoutVersions);
    for (const { versionId } of versions) await this.#deleteVersion(key, versionId, signal);
  }

  /** Names that start with `prefix`, in the backend's order: of those behind `after` when it is given, and `rows` at a time. */
  async *list(
    prefix: string,
    signal: AbortSignal,
    { after, rows }: { readonly after?: string; readonly rows?: number } = {},
  ): AsyncIterable<string> {
    let token: string | undefined;
    do {
      const page = await this.#listPage('ListBucketResult', signal, [
        ['list-type', '2'],
        ['prefix', this.#key(prefix)],
        ...(after === undefined ? [] : ([['start-after', this.#key(after)]] as const)),
        ...(rows === undefined ? [] : ([['max-keys', String(rows)]] as const)),
        ...(token === undefined ? [] : ([['continuation-token', token]] as const)),
      ]);
      for (const entry of page.children('Contents')) yield keyOf(entry, page).slice(this.#prefix.length);
      token = page.value('IsTruncated') === 'true' ? page.value('NextContinuationToken') : undefined;
    } while (token !== undefined);
  }

  /**
   * Names that start with `prefix`, once for each version and each delete marker. @throws S3Error ServiceUnavailable; also when the
   * backend lists no versions
   */
  async *listVersions(
    prefix: string,
    signal: AbortSignal,
  ): AsyncIterable<{ readonly name: string; readonly isMarker: boolean }> {
    let marker: NonNullable<Send['query']> = [];
    for (;;) {
      const page = await this.#listPage('ListVersionsResult', signal, [
        ['versions', ''],
        ['prefix', this.#key(prefix)],
        ...marker,
      ]);
      for (const kind of ['Version', 'DeleteMarker']) {
        for (const entry of page.children(kind)) {
          yield { name: keyOf(entry, page).slice(this.#prefix.length), isMarker: kind === 'DeleteMarker' };
        }
      }
      if (page.value('IsTruncated') !== 'true') return;
      marker = [
        ['key-marker', decodedKey(page.value('NextKeyMarker') ?? '', page)],
        ['version-id-marker', page.value('NextVersionIdMarker') ?? ''],
      ];
    }
  }

  /** Names that have any version, also an older one or a delete marker. Where the backend lists no versions: as `list`. */
  async listEver(prefix: string, signal: AbortSignal): Promise<ReadonlySet<string>> {
    const names = new Set<string>();
    try {
      for await (const { name } of this.listVersions(prefix, signal)) names.add(name);
      return names;
    } catch (error) {
      if (!(error instanceof S3Error) || names.size > 0) throw error;
    }
    for await (const name of this.list(prefix, signal)) names.add(name);
    return names;
  }

  async #get(
    name: string,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<StateRecord | 'unchanged' | undefined> {
    const response = await this.#send({ method: 'GET', key: this.#key(name), headers }, signal);
    if (response.status === 304) {
      response.body.destroy();
      return 'unchanged';
    }
    if (response.status !== 200) {
      const answer = await readErrorResponse(response);
      if (answer.code === 'NoSuchKey') return undefined;
      throw unusable(answer, 'GetObject');
    }
    const body = await readReply(response, MAX_STATE_RECORD_BYTES);
    const { etag, 'last-modified': lastModified = '' } = response.headers;
    if (etag === undefined) throw incomplete('it gives objects without their ETag');
    const modified = new Date(lastModified);
    return { body, etag, ...(Number.isNaN(modified.getTime()) ? {} : { modified }) };
  }

  /** Removes what versioning kept of one record. The latest version, or the latest delete marker, stays. */
  async #purgeOldVersions(name: string, signal: AbortSignal): Promise<void> {
    const key = this.#key(name);
    for (const { versionId, isLatest } of await this.#versionsOf(key, signal)) {
      if (!isLatest) await this.#deleteVersion(key, versionId, signal);
    }
  }

  async #versionsOf(key: string, signal: AbortSignal): Promise<{ versionId: string; isLatest: boolean }[]> {
    const page = await this.#listPage('ListVersionsResult', signal, [
      ['versions', ''],
      ['prefix', key],
    ]);
    return [...page.children('Version'), ...page.children('DeleteMarker')].flatMap((entry) => {
      const versionId = entry.value('VersionId');
      if (versionId === undefined || keyOf(entry, page) !== key) return [];
      return [{ versionId, isLatest: entry.value('IsLatest') !== 'false' }];
    });
  }

  async #deleteVersion(key: string, versionId: string, signal: AbortSignal): Promise<void> {
    const response = await this.#send({ method: 'DELETE', key, query: [['versionId', versionId]] }, signal);
    if (response.status >= 300 && response.status !== 404) {
      throw unusable(await readErrorResponse(response), 'DeleteObjectVersion');
    }
    response.body.destroy();
  }

  async #listPage(root: string, signal: AbortSignal, query: NonNullable<Send['query']>): Promise<XmlNode> {
    const response = await this.#send({ method: 'GET', query: [...query, ['encoding-type', 'url']] }, signal);
    if (response.status !== 200) {
      const operation = query.some(([name]) => name === 'versions') ? 'ListObjectVersions' : 'ListObjectsV2';
      throw unusable(await readErrorResponse(response), operation);
    }
    const text = (await readReply(response, MAX_BACKEND_XML_BYTES)).toString('utf8');
    try {
      return parseAnswer(text, root);
    } catch (cause) {
      throw new S3Error('ServiceUnavailable', undefined, { cause });
    }
  }

  async #send(request: Send, signal: AbortSignal): Promise<BackendResponse> {
    try {
      const essential = request.method === 'PUT' ? ({ essential: true } as const) : {};
      return await this.#backend.send({ ...request, ...essential, bucket: this.bucket, signal });
    } catch (cause) {
      signal.throwIfAborted();
      if (!(cause instanceof BackendUnavailable)) throw cause;
      throw new S3Error('ServiceUnavailable', undefined, { cause });
    }
  }

  #key(name: string): string {
    return this.#prefix + name;
  }
}
