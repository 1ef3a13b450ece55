/**
 * Requests of the start-up probe, under one random name, with everything they may leave behind remembered for removal.
 */
import { createHash, randomBytes } from 'node:crypto';
import type { S3Error } from '../../errors.ts';
import { MAX_BACKEND_XML_BYTES } from '../../limits.ts';
import { PROBE_CLEAN_UP_MS } from '../../running-limits.ts';
import { parseXml } from '../../xml/render-xml.ts';
import {
  type Backend,
  type BackendBody,
  type BackendMethod,
  BackendUnavailable,
  type QueryParameter,
} from '../backend.ts';
import { backendFailure, readErrorBody } from '../errors.ts';
import { LIST_ENCODING, parseListVersions } from '../list.ts';
import { readBody } from '../read-body.ts';

export interface ProbeRequest {
  readonly method: BackendMethod;
  /** Short name, made into a key by the session; absent for a request on the bucket. */
  readonly name?: string;
  readonly query?: readonly QueryParameter[];
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: BackendBody;
}

export interface ProbeAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  readonly secrets?: readonly string[];
}

export class ProbeSession {
  readonly #backend: Backend;
  readonly #bucket: string;
  readonly #prefix: string;
  readonly #signal: AbortSignal;
  readonly #names = new Set<string>();
  readonly #uploads = new Map<string, string>();

  constructor(backend: Backend, o: { bucket: string; prefix: string; signal: AbortSignal }) {
    this.#backend = backend;
    this.#bucket = o.bucket;
    this.#prefix = `${o.prefix}probe/${randomBytes(12).toString('hex')}-`;
    this.#signal = o.signal;
  }

  /** The value of x-amz-copy-source for an object of this session. */
  copySource(name: string): string {
    return `/${this.#bucket}/${this.#key(name)}`;
  }

  /**
   * @throws S3Error when the credentials are refused or the store is out of service: no behaviour can be told from that.
   *   500 is an answer, since some stores crash on what they do not know.
   */
  async send(request: ProbeRequest, signal: AbortSignal = this.#signal): Promise<ProbeAnswer> {
    const { name, ...rest } = request;
    if (name !== undefined) this.#names.add(name);
    const key = name === undefined ? {} : { key: this.#key(name) };
    const response = await this.#backend.send({ ...rest, bucket: this.#bucket, ...key, signal });
    const body = await readBody(response, { maxBytes: MAX_BACKEND_XML_BYTES });
    const { status, headers, secrets } = response;
    const answer = { status, headers, body, ...(secrets === undefined ? {} : { secrets }) };
    if (status > 501 || status === 401) throw this.#failure(answer, operationOf(request));
    return answer;
  }

  /** A listing of what begins with the key of an object of this session. */
  list(name: string, query: readonly QueryParameter[]): Promise<ProbeAnswer> {
    return this.send({ method: 'GET', query: [...query, ['prefix', this.#key(name)]] });
  }

  /** Stores a small object and returns its ETag. @throws S3Error when that does not work, which nothing can do without. */
  async put(name: string, content: string): Promise<string> {
    const answer = await this.send({ method: 'PUT', name, body: Buffer.from(content) });
    if (answer.status !== 200) throw this.#failure(answer, 'PutObject');
    const { etag } = answer.headers;
    if (etag === undefined) throw new BackendUnavailable('it stores objects without telling their ETag');
    return etag;
  }

  /** The object's content; `undefined` when there is none. */
  async content(name: string): Promise<string | undefined> {
    const answer = await this.send({ method: 'GET', name });
    if (answer.status === 200) return answer.body.toString();
    if (answer.status === 404) return undefined;
    throw this.#failure(answer, 'GetObject');
  }

  /** Removes an object. @throws S3Error when the credentials may not, which nothing can do without */
  async remove(name: string): Promise<void> {
    const answer = await this.send({ method: 'DELETE', name });
    if (answer.status === 403) throw this.#failure(answer, 'DeleteObject');
  }

  /** Starts an upload. `undefined` when the store has no multipart uploads. @throws S3Error when the credentials may not */
  async startUpload(name: string): Promise<string | undefined> {
    const answer = await this.send({ method: 'POST', name, query: [['uploads', '']] });
    if (answer.status === 403) throw this.#failure(answer, 'CreateMultipartUpload');
    if (answer.status !== 200) return undefined;
    const id = parseXml(answer.body.toString(), 'InitiateMultipartUploadResult').value('UploadId');
    if (id !== undefined) this.#uploads.set(id, name);
    return id;
  }

  async uploadPart(name: string, o: { uploadId: string; number: number; body: Buffer }): Promise<string> {
    const query: QueryParameter[] = [
      ['partNumber', String(o.number)],
      ['uploadId', o.uploadId],
    ];
    const answer = await this.send({ method: 'PUT', name, query, body: o.body });
    const { etag } = answer.headers;
    if (answer.status === 200 && etag !== undefined) return etag;
    throw this.#failure(answer, 'UploadPart');
  }

  /** Removes every object, version and upload of this session. Failures are left: nothing of the probe is ever read again. */
  async cleanUp(): Promise<void> {
    const signal = AbortSignal.timeout(PROBE_CLEAN_UP_MS);
    const uploads = [...this.#uploads].map(([id, name]) =>
      this.send({ method: 'DELETE', name, query: [['uploadId', id]] }, signal),
    );
    await Promise.allSettled(uploads);
    await Promise.allSettled([...this.#names].map((name) => this.send({ method: 'DELETE', name }, signal)));
    await this.#removeVersions(signal).catch(() => undefined);
  }

  /** In a versioned bucket the removals above left delete markers over versions. */
  async #removeVersions(signal: AbortSignal): Promise<void> {
    const query: QueryParameter[] = [['versions', ''], ['prefix', this.#prefix], LIST_ENCODING];
    const { status, body } = await this.send({ method: 'GET', query }, signal);
    if (status !== 200) return;
    const { versions } = parseListVersions(body);
    const removals = versions.map(({ key, versionId }) =>
      this.send({ method: 'DELETE', name: key.slice(this.#prefix.length), query: [['versionId', versionId]] }, signal),
    );
    await Promise.allSettled(removals);
  }

  #failure(answer: ProbeAnswer, operation: string): S3Error {
    return backendFailure(readErrorBody(answer, answer.body), { operation, bucket: this.#bucket });
  }

  #key(name: string): string {
    return `${this.#prefix}${name}`;
  }
}

export function md5Base64(content: string): string {
  return createHash('md5').update(content).digest('base64');
}

/** 412, or 409 for a race that the store noticed: the condition was looked at and did not hold. */
export function isRefusal(status: number): boolean {
  return status === 412 || status === 409;
}

/** For messages: by and large, since the store refuses everything when it comes to that. */
function operationOf({ method, name }: ProbeRequest): string {
  if (name === undefined) return 'ListObjectsV2';
  return method === 'GET' ? 'GetObject' : method === 'DELETE' ? 'DeleteObject' : 'PutObject';
}
