/**
 * Multipart uploads as a client makes them, request by request, so that a test sees every status and code, may send any step
 * to any replica, and may leave a step out.
 */
import { createHash } from 'node:crypto';
import { expect } from 'vitest';
import { SEGMENT_BYTES } from '../../crypto/layout.ts';
import type { Backend } from '../../proxy/backend/backend.ts';
import { MIN_PART_BYTES } from '../../proxy/limits.ts';
import { UPLOADS_PREFIX } from '../../proxy/multipart/upload-record.ts';
import type { Bench } from './bench.ts';
import { MiB } from './bytes.ts';
import { startTestProxy, type TestProxy, type TestTenant } from './proxy.ts';
import { type Header, objectPath, percentEncode, type RawReply, type RawRequest, sendSigned } from './raw-client.ts';
import { askStore, storedKeys } from './stored.ts';

/** The smallest part that is not the last: S3's, or a smaller one where a test puts it in place of that. */
export const MIN_PART = MIN_PART_BYTES;

/** Sizes of the parts of uploads whose stored lengths have to tell them apart: an empty last part, edges of a segment, uneven ones. */
export const TELLING_PART_SIZES: readonly (readonly number[])[] = [
  [MIN_PART],
  [MIN_PART, 0],
  [MIN_PART, 1],
  [MIN_PART + 1, SEGMENT_BYTES],
  [MIN_PART, MIN_PART, MIN_PART],
  [6 * MiB, MIN_PART, 1_000_000],
];

export const md5 = (data: Buffer): string => createHash('md5').update(data).digest('hex');

/** The ETag that S3 gives to an object of these parts, unquoted. */
export function multipartEtag(parts: readonly Buffer[]): string {
  const digests = parts.map((part) => createHash('md5').update(part).digest());
  return `${md5(Buffer.concat(digests))}-${parts.length}`;
}

/** Anyone who answers: a bench, or one of its replicas. */
export type Sender = (request: RawRequest, as?: TestTenant) => Promise<RawReply>;

export interface Listed {
  readonly number: number | string;
  readonly etag: string;
  /** Further elements of the row, as XML. */
  readonly extra?: string;
}

/** One upload, seen by its client. */
export class Upload {
  readonly bucket: string;
  readonly key: string;
  readonly id: string;
  readonly #send: Sender;

  constructor(o: { bucket: string; key: string; id: string; send: Sender }) {
    this.bucket = o.bucket;
    this.key = o.key;
    this.id = o.id;
    this.#send = o.send;
  }

  /** The same upload through another replica, or by another tenant. */
  through(send: Sender): Upload {
    return new Upload({ bucket: this.bucket, key: this.key, id: this.id, send });
  }

  #ask(method: string, query: string, o: { headers?: readonly Header[]; body?: Buffer | string } = {}) {
    const uploadId = `uploadId=${percentEncode(this.id)}`;
    const payload = o.body === undefined ? {} : { payload: 'UNSIGNED-PAYLOAD' };
    const path = objectPath(this.bucket, this.key);
    return this.#send({ method, path, query: query === '' ? uploadId : `${query}&${uploadId}`, ...o, ...payload });
  }

  part(number: number | string, body: Buffer, headers: readonly Header[] = []): Promise<RawReply> {
    return this.#ask('PUT', `partNumber=${number}`, { body, headers });
  }

  /** A part that has to succeed. */
  async put(number: number, body: Buffer, headers: readonly Header[] = []): Promise<Listed> {
    const reply = await this.part(number, body, headers);
    expect([reply.status, reply.code, reply.headers['etag']]).toEqual([200, '', `"${md5(body)}"`]);
    return { number, etag: `"${md5(body)}"` };
  }

  /** UploadPartCopy. `source` is percent-encoded. */
  copy(number: number, source: string, headers: readonly Header[] = []): Promise<RawReply> {
    return this.#ask('PUT', `partNumber=${number}`, { headers: [['x-amz-copy-source', source], ...headers] });
  }

  complete(parts: readonly Listed[], headers: readonly Header[] = []): Promise<RawReply> {
    return this.completeWith(completeDocument(parts), headers);
  }

  completeWith(document: string, headers: readonly Header[] = []): Promise<RawReply> {
    return this.#ask('POST', '', { body: document, headers: [['content-type', 'application/xml'], ...headers] });
  }

  abort(): Promise<RawReply> {
    return this.#ask('DELETE', '');
  }

  list(query = ''): Promise<RawReply> {
    return this.#ask('GET', query);
  }

  get(o: { query?: string; headers?: readonly Header[]; method?: string } = {}): Promise<RawReply> {
    const { method = 'GET', ...rest } = o;
    return this.#send({ method, path: objectPath(this.bucket, this.key), ...rest });
  }
}

export function completeDocument(parts: readonly Listed[]): string {
  const rows = parts.map(
    ({ number, etag, extra = '' }) =>
      `<Part><PartNumber>${number}</PartNumber><ETag>${etag.replaceAll('"', '&quot;')}</ETag>${extra}</Part>`,
  );
  return `<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${rows.join('')}</CompleteMultipartUpload>`;
}

export function createUpload(send: Sender, bucket: string, key: string, headers: readonly Header[] = []) {
  return send({ method: 'POST', path: objectPath(bucket, key), query: 'uploads=', headers });
}

export async function beginUpload(
  bench: Pick<Bench, 'bucket' | 'send'>,
  key: string,
  headers: readonly Header[] = [],
): Promise<Upload> {
  const { bucket, send } = bench;
  const reply = await createUpload(send, bucket, key, headers);
  expect([reply.status, reply.code]).toEqual([200, '']);
  return new Upload({ bucket, key, id: elements(reply, 'UploadId')[0] ?? '', send });
}

/** An upload of these parts, numbered from 1, completed. */
export async function uploaded(
  bench: Pick<Bench, 'bucket' | 'send'>,
  key: string,
  parts: readonly Buffer[],
  headers: readonly Header[] = [],
): Promise<Upload> {
  const upload = await beginUpload(bench, key, headers);
  const listed: Listed[] = [];
  for (const [index, part] of parts.entries()) listed.push(await upload.put(index + 1, part));
  const reply = await upload.complete(listed);
  expect([reply.status, reply.code]).toEqual([200, '']);
  return upload;
}

/** Text of every element of that name, unescaped. */
export function elements(reply: RawReply, name: string): string[] {
  const text = reply.body.toString();
  return [...text.matchAll(new RegExp(`<${name}>([^<]*)</${name}>`, 'g'))].map(([, value = '']) =>
    value.replaceAll('&quot;', '"').replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&'),
  );
}

/** `status code` of a reply. */
export function outcome(reply: RawReply): string {
  return `${reply.status} ${reply.code}`.trim();
}

/** Names of everything that uploads keep in the state bucket. */
export async function uploadState(backend: Backend, stateBucket = 'sealgate-state'): Promise<string[]> {
  return (await storedKeys(backend, stateBucket)).filter((name) => name.startsWith(UPLOADS_PREFIX));
}

/** Ids of the uploads that the backend has open. */
export async function openUploads(backend: Backend, bucket: string): Promise<string[]> {
  const { response, body } = await askStore(backend, { method: 'GET', bucket, query: [['uploads', '']] });
  if (response.status !== 200) throw new Error(`the store answered ${response.status} to ListMultipartUploads`);
  return [...body.toString().matchAll(/<UploadId>([^<]*)/g)].map(([, id = '']) => id);
}

export interface Replica {
  readonly proxy: TestProxy;
  readonly send: Sender;
}

/** Another proxy on the bench's store, with the same seal keys and nothing else in common. */
export async function openReplica(bench: Bench, backend: Backend = bench.backend): Promise<Replica> {
  const { capabilities, tenant } = bench;
  const proxy = await startTestProxy({ backend, capabilities, sealKeys: bench.proxy.sealKeys });
  return { proxy, send: (request, as = tenant) => sendSigned(proxy.endpoint, as, request) };
}
