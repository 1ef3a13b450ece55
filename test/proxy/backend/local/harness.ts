/** A store in a temporary directory, and requests to it with their bodies read. */
import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Backend, BackendBody, BackendMethod, QueryParameter } from '../../../../proxy/backend/backend.ts';
import { openLocalBackend } from '../../../../proxy/backend/local/local.ts';
import { parseAnyXml, type XmlNode } from '../../../../proxy/xml/render-xml.ts';

export interface Call {
  readonly bucket?: string;
  readonly key?: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: BackendBody | string;
  readonly signal?: AbortSignal;
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly bytes: Buffer;
  readonly text: string;
  /** The document's root element. */
  readonly xml: XmlNode;
  /** Code of an error document; '' when there is none. */
  readonly code: string;
}

export class TestStore {
  readonly directory: string;
  backend: Backend;

  constructor(directory: string, backend: Backend) {
    this.directory = directory;
    this.backend = backend;
  }

  async send(method: BackendMethod, call: Call): Promise<Answer> {
    return send(this.backend, method, call);
  }

  get(call: Call): Promise<Answer> {
    return this.send('GET', call);
  }

  head(call: Call): Promise<Answer> {
    return this.send('HEAD', call);
  }

  put(call: Call): Promise<Answer> {
    return this.send('PUT', call);
  }

  post(call: Call): Promise<Answer> {
    return this.send('POST', call);
  }

  delete(call: Call): Promise<Answer> {
    return this.send('DELETE', call);
  }

  async reopen(): Promise<void> {
    await this.backend.close();
    this.backend = await openLocalBackend({ directory: this.directory });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.backend.close();
    await rm(this.directory, { recursive: true, force: true });
  }
}

export async function openTestStore(o: { readonly bucket?: string; readonly now?: () => Date } = {}) {
  const directory = await mkdtemp(join(tmpdir(), 'sealgate-local-'));
  const backend = await openLocalBackend({ directory, ...(o.now === undefined ? {} : { now: o.now }) });
  const store = new TestStore(directory, backend);
  if (o.bucket !== undefined) await expectStatus(store.put({ bucket: o.bucket }), 200);
  return store;
}

export async function send(backend: Backend, method: BackendMethod, call: Call): Promise<Answer> {
  const { query, body, signal, ...named } = call;
  const response = await backend.send({
    method,
    ...named,
    query: Object.entries(query ?? {}).map(([name, value]): QueryParameter => [name, value]),
    ...(body === undefined ? {} : { body: typeof body === 'string' ? Buffer.from(body) : body }),
    signal: signal ?? new AbortController().signal,
  });
  const chunks: Buffer[] = [];
  for await (const chunk of response.body) chunks.push(chunk as Buffer);
  return answerOf(response.status, response.headers, Buffer.concat(chunks));
}

function answerOf(status: number, headers: Readonly<Record<string, string>>, bytes: Buffer): Answer {
  const text = bytes.toString();
  const root = (): XmlNode => {
    const document = parseAnyXml(text);
    const [name = ''] = document.childNames();
    const node = document.child(name);
    if (node === undefined) throw new Error('no document');
    return node;
  };
  return {
    status,
    headers,
    bytes,
    text,
    get xml() {
      return root();
    },
    get code() {
      return text.startsWith('<?xml') ? (root().value('Code') ?? '') : '';
    },
  };
}

async function expectStatus(answer: Promise<Answer>, status: number): Promise<Answer> {
  const got = await answer;
  if (got.status !== status) throw new Error(`status ${got.status} instead of ${status}: ${got.text}`);
  return got;
}

export function md5(bytes: Buffer | string): string {
  return createHash('md5').update(bytes).digest('hex');
}

export function md5Base64(bytes: Buffer | string): string {
  return createHash('md5').update(bytes).digest('base64');
}

/** Bytes that differ at every offset, so that a shifted range shows. */
export function pattern(length: number, seed = 1): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  let state = seed >>> 0 || 1;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

/** A body that arrives in pieces of `step` bytes. */
export function streamed(bytes: Buffer, step: number): BackendBody {
  async function* chunks(): AsyncGenerator<Buffer> {
    for (let at = 0; at < bytes.length; at += step) yield bytes.subarray(at, at + step);
  }
  return { length: bytes.length, chunks: chunks() };
}
