/**
 * An S3 client by hand, for what SDKs cannot send: chosen targets, headers and signatures, one thing wrong at a time. Its
 * Signature Version 4 is written from the AWS documentation and shares no code with the proxy's.
 */
import { createHash, createHmac } from 'node:crypto';
import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';

export type Header = readonly [name: string, value: string];

export interface SigningCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

export interface RawRequest {
  readonly method: string;
  /** Raw path of the target, as sent and as signed. */
  readonly path: string;
  /** Raw query of the target, without '?'. */
  readonly query?: string;
  readonly headers?: readonly Header[];
  readonly body?: Buffer | string;
  /** x-amz-content-sha256; the SHA-256 of the body when left out. */
  readonly payload?: string;
  readonly date?: Date;
  readonly region?: string;
  readonly service?: string;
  /** Day of the credential scope, when it is not the request's. */
  readonly scopeDate?: string;
  /** Names of the headers to sign; all of them when left out. */
  readonly signedHeaders?: readonly string[];
}

export const sha256Hex = (data: Buffer | string): string => createHash('sha256').update(data).digest('hex');
const hmac = (key: Buffer | string, data: string): Buffer => createHmac('sha256', key).update(data).digest();

const basicDate = (date: Date): string => date.toISOString().replace(/[-:]|\.\d{3}/g, '');

/** One time for the whole request, or its parts may disagree when a second ends in between. */
function dated(o: RawRequest): RawRequest & { readonly date: Date } {
  return { ...o, date: o.date ?? new Date() };
}

function scopeOf(o: RawRequest): string {
  const day = o.scopeDate ?? basicDate(o.date ?? new Date()).slice(0, 8);
  return `${day}/${o.region ?? 'us-east-1'}/${o.service ?? 's3'}/aws4_request`;
}

function signingKey(secret: string, scope: string): Buffer {
  return scope.split('/').reduce<Buffer | string>((key, word) => hmac(key, word), `AWS4${secret}`) as Buffer;
}

/** Percent-encodes all but unreserved characters; `keep` lists further ones to leave. */
export function percentEncode(text: string, keep = ''): string {
  return [...Buffer.from(text, 'utf8')]
    .map((byte) => {
      const c = String.fromCharCode(byte);
      return /[A-Za-z0-9\-._~]/.test(c) || keep.includes(c)
        ? c
        : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
    })
    .join('');
}

/** `/bucket/key` with every byte but '/' and the unreserved ones encoded. */
export function objectPath(bucket: string, key: string): string {
  return `/${bucket}/${percentEncode(key, '/')}`;
}

const decode = (text: string): string =>
  Buffer.from(
    text.replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
    'latin1',
  ).toString('latin1');

const encodeBytes = (latin1: string, keep = ''): string =>
  [...latin1]
    .map((c) =>
      /[A-Za-z0-9\-._~]/.test(c) || keep.includes(c)
        ? c
        : `%${c.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
    )
    .join('');

function canonicalQuery(query: string): string {
  if (query === '') return '';
  return query
    .split('&')
    .map((pair) => {
      const cut = pair.indexOf('=');
      const [name, value] = cut < 0 ? [pair, ''] : [pair.slice(0, cut), pair.slice(cut + 1)];
      return `${encodeBytes(decode(name))}=${encodeBytes(decode(value))}`;
    })
    .sort()
    .join('&');
}

function signatureOf(o: RawRequest, secret: string, headers: readonly Header[], payload: string): string {
  const values = new Map<string, string>();
  for (const [name, value] of headers) {
    const lower = name.toLowerCase();
    const text = value.trim().replace(/\s+/g, ' ');
    values.set(lower, values.has(lower) ? `${values.get(lower)},${text}` : text);
  }
  const names = [...(o.signedHeaders ?? values.keys())].sort();
  const canonical = [
    o.method,
    encodeBytes(decode(o.path), '/'),
    canonicalQuery(o.query ?? ''),
    ...names.map((name) => `${name}:${values.get(name) ?? ''}`),
    '',
    names.join(';'),
    payload,
  ].join('\n');
  const scope = scopeOf(o);
  const toSign = [
    'AWS4-HMAC-SHA256',
    basicDate(o.date ?? new Date()),
    scope,
    sha256Hex(Buffer.from(canonical, 'latin1')),
  ].join('\n');
  return hmac(signingKey(secret, scope), toSign).toString('hex');
}

/** The headers to send: those given, Host, date, payload hash and Authorization. `host` is HOST:PORT. */
export function signHeaders(request: RawRequest, credentials: SigningCredentials, host: string): Header[] {
  const o = dated(request);
  const payload = o.payload ?? sha256Hex(o.body ?? '');
  const given = new Set((o.headers ?? []).map(([name]) => name.toLowerCase()));
  const own: Header[] = [
    ['host', host],
    ['x-amz-date', basicDate(o.date ?? new Date())],
    ['x-amz-content-sha256', payload],
  ];
  const headers = [...own.filter(([name]) => !given.has(name)), ...(o.headers ?? [])];
  const signedHeaders = o.signedHeaders ?? [...new Set(headers.map(([name]) => name.toLowerCase()))].sort();
  const signature = signatureOf({ ...o, signedHeaders }, credentials.secretAccessKey, headers, payload);
  const credential = `${credentials.accessKeyId}/${scopeOf(o)}`;
  const value = `AWS4-HMAC-SHA256 Credential=${credential}, SignedHeaders=${signedHeaders.join(';')}, Signature=${signature}`;
  return [...headers, ['authorization', value]];
}

/** The query of a presigned URL. `expires` in seconds, as text so that it can be wrong. */
export function presignQuery(
  request: RawRequest,
  credentials: SigningCredentials,
  host: string,
  expires = '3600',
): string {
  const o = dated(request);
  const headers: Header[] = [['host', host], ...(o.headers ?? [])];
  const names = [...headers.map(([name]) => name.toLowerCase())].sort();
  const parameters = [
    ['X-Amz-Algorithm', 'AWS4-HMAC-SHA256'],
    ['X-Amz-Credential', `${credentials.accessKeyId}/${scopeOf(o)}`],
    ['X-Amz-Date', basicDate(o.date ?? new Date())],
    ['X-Amz-Expires', expires],
    ['X-Amz-SignedHeaders', names.join(';')],
  ].map(([name = '', value = '']) => `${name}=${percentEncode(value)}`);
  const query = [...(o.query === undefined || o.query === '' ? [] : [o.query]), ...parameters].join('&');
  const signed = { ...o, query, signedHeaders: names };
  return `${query}&X-Amz-Signature=${signatureOf(signed, credentials.secretAccessKey, headers, 'UNSIGNED-PAYLOAD')}`;
}

export interface RawReply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
  /** `<Code>` of an error document, '' without one. */
  readonly code: string;
  /** Fewer bytes came than Content-Length announced. */
  readonly cut: boolean;
}

/** Sends a request with exactly these headers, and reads the reply, a cut one too. */
export function sendRaw(
  endpoint: string,
  o: { method: string; target: string; headers: readonly Header[]; body?: Buffer | string },
): Promise<RawReply> {
  const { hostname, port } = new URL(endpoint);
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      {
        host: hostname,
        port,
        method: o.method,
        path: o.target,
        agent: false,
        headers: o.headers.flat(),
        setHost: false,
      },
      (response) => resolve(readReply(response)),
    );
    request.on('error', reject);
    request.end(o.body);
  });
}

async function readReply(response: IncomingMessage): Promise<RawReply> {
  const pieces: Buffer[] = [];
  let cut = false;
  try {
    for await (const piece of response) pieces.push(piece);
  } catch {
    cut = true;
  }
  const body = Buffer.concat(pieces);
  return { status: response.statusCode ?? 0, headers: response.headers, body, code: codeOf(body), cut };
}

/** Content-MD5 of a body. */
export function md5Header(body: Buffer | string): Header {
  return ['content-md5', createHash('md5').update(body).digest('base64')];
}

export function codeOf(body: Buffer | string): string {
  return /<Code>([^<]*)<\/Code>/.exec(body.toString('utf8'))?.[1] ?? '';
}

/** Signs and sends, with Content-Length when there is a body or the method has one. */
export function sendSigned(endpoint: string, credentials: SigningCredentials, o: RawRequest): Promise<RawReply> {
  const host = (o.headers ?? []).find(([name]) => name.toLowerCase() === 'host')?.[1] ?? new URL(endpoint).host;
  const headers = signHeaders(o, credentials, host);
  return sendRaw(endpoint, {
    method: o.method,
    target: targetOf(o),
    headers: withLength(o, headers),
    ...(o.body === undefined ? {} : { body: o.body }),
  });
}

export function targetOf(o: RawRequest): string {
  return o.query === undefined || o.query === '' ? o.path : `${o.path}?${o.query}`;
}

/** Adds Content-Length where it belongs and was not given. */
export function withLength(o: RawRequest, headers: readonly Header[]): readonly Header[] {
  const wanted = o.body !== undefined || o.method === 'PUT' || o.method === 'POST';
  if (!wanted || headers.some(([name]) => /^(content-length|transfer-encoding)$/i.test(name))) return headers;
  return [...headers, ['content-length', String(Buffer.byteLength(o.body ?? ''))]];
}

/** The head of a request as bytes, for a socket of one's own. */
export function headText(o: { method: string; target: string; headers: readonly Header[] }): Buffer {
  const lines = o.headers.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  return Buffer.from(`${o.method} ${o.target} HTTP/1.1\r\n${lines}\r\n`, 'latin1');
}

/** Signs the links of a chunk chain, from the signature in an Authorization header. */
export class ChunkChainSigner {
  readonly #prefix: string;
  readonly #key: Buffer;
  #previous: string;

  /** `headers` as `signHeaders` gave them. */
  constructor(credentials: SigningCredentials, headers: readonly Header[]) {
    const value = (name: string) => headers.find(([found]) => found === name)?.[1] ?? '';
    const authorization = value('authorization');
    const scope = /Credential=[^/]+\/([^,]+),/.exec(authorization)?.[1] ?? '';
    this.#prefix = `${value('x-amz-date')}\n${scope}`;
    this.#key = signingKey(credentials.secretAccessKey, scope);
    this.#previous = /Signature=([0-9a-f]+)/.exec(authorization)?.[1] ?? '';
  }

  chunk(data: Buffer): string {
    return this.#link('AWS4-HMAC-SHA256-PAYLOAD', `${sha256Hex('')}\n${sha256Hex(data)}`);
  }

  trailer(line: string): string {
    return this.#link('AWS4-HMAC-SHA256-TRAILER', sha256Hex(line));
  }

  #link(algorithm: string, rest: string): string {
    const text = `${algorithm}\n${this.#prefix}\n${this.#previous}\n${rest}`;
    this.#previous = hmac(this.#key, text).toString('hex');
    return this.#previous;
  }
}

/** A connection of one's own: what is sent and what comes back, byte by byte. */
export class RawConnection {
  readonly socket: Socket;
  #received = '';
  #ended = false;
  readonly #waiting = new Set<() => void>();

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (data) => this.#wake(() => (this.#received += data.toString('latin1'))));
    socket.on('error', () => undefined);
    for (const event of ['end', 'close']) socket.on(event, () => this.#wake(() => (this.#ended = true)));
  }

  /**
   * `plain`: without TLS, though the endpoint speaks it. `first`: sent in front of TLS, piece by piece. The certificate is not
   * looked at. `from`: the address of this end.
   */
  static async open(
    endpoint: string,
    o: { plain?: boolean; allowHalfOpen?: boolean; first?: readonly Buffer[]; from?: string } = {},
  ): Promise<RawConnection> {
    const { hostname, port, protocol } = new URL(endpoint);
    const { plain = false, allowHalfOpen = false, first = [] } = o;
    const local = o.from === undefined ? {} : { localAddress: o.from };
    const socket = connect({ host: hostname, port: Number(port), noDelay: true, allowHalfOpen, ...local });
    await once(socket, 'connect');
    for (const piece of first) {
      await new Promise((resolve) => socket.write(piece, resolve));
      if (first.length > 1) await new Promise((resolve) => setImmediate(resolve));
    }
    if (protocol === 'http:' || plain) return new RawConnection(socket);
    const secure = connectTls({ socket, rejectUnauthorized: false });
    await once(secure, 'secureConnect');
    return new RawConnection(secure);
  }

  #wake(change: () => unknown): void {
    change();
    for (const wake of this.#waiting) wake();
  }

  write(data: Buffer | string): void {
    this.socket.write(data);
  }

  /** Everything received so far. */
  get received(): string {
    return this.#received;
  }

  /** Waits until `pattern` has come in; fails when the connection ends before. */
  async until(pattern: RegExp): Promise<string> {
    while (!pattern.test(this.#received)) {
      if (this.#ended) throw new Error(`the connection ended before ${pattern}; received: ${this.#received}`);
      await new Promise<void>((resolve) => {
        const wake = () => {
          this.#waiting.delete(wake);
          resolve();
        };
        this.#waiting.add(wake);
      });
    }
    return this.#received;
  }

  /** Waits for the other side to close; gives all that it sent. */
  async ended(): Promise<string> {
    while (!this.#ended) {
      await new Promise<void>((resolve) => {
        const wake = () => {
          this.#waiting.delete(wake);
          resolve();
        };
        this.#waiting.add(wake);
      });
    }
    return this.#received;
  }

  close(): void {
    this.socket.destroy();
  }
}

/** An aws-chunked body; with a signer its chunks and its trailer are signed. `trailer` is `name:value`. */
export function framed(
  payload: Buffer,
  o: { chunkBytes: number; signer?: ChunkChainSigner; trailer?: string },
): Buffer {
  const pieces: Buffer[] = [];
  const header = (data: Buffer) => {
    const signature = o.signer === undefined ? '' : `;chunk-signature=${o.signer.chunk(data)}`;
    return Buffer.from(`${data.length.toString(16)}${signature}\r\n`);
  };
  for (let at = 0; at < payload.length; at += o.chunkBytes) {
    const data = payload.subarray(at, at + o.chunkBytes);
    pieces.push(header(data), data, Buffer.from('\r\n'));
  }
  pieces.push(header(Buffer.alloc(0)));
  if (o.trailer !== undefined) {
    pieces.push(Buffer.from(`${o.trailer}\r\n`));
    if (o.signer !== undefined) {
      pieces.push(Buffer.from(`x-amz-trailer-signature:${o.signer.trailer(`${o.trailer}\n`)}\r\n`));
    }
  }
  return Buffer.concat([...pieces, Buffer.from('\r\n')]);
}

/** A browser's upload form, signed: the request to send, whose signature is in its fields. */
export function signedForm(
  o: { bucket: string; key: string; content: string; date?: Date; fields?: Readonly<Record<string, string>> },
  credentials: SigningCredentials,
): { path: string; headers: Header[]; body: Buffer } {
  const request = dated({ method: 'POST', path: '/', ...(o.date === undefined ? {} : { date: o.date }) });
  const scope = scopeOf(request);
  const fields = {
    key: o.key,
    'x-amz-algorithm': 'AWS4-HMAC-SHA256',
    'x-amz-credential': `${credentials.accessKeyId}/${scope}`,
    'x-amz-date': basicDate(request.date),
    ...o.fields,
  };
  const conditions = [{ bucket: o.bucket }, ...Object.entries(fields).map(([name, value]) => ({ [name]: value }))];
  const expiration = new Date(request.date.getTime() + 600_000).toISOString();
  const policy = Buffer.from(JSON.stringify({ expiration, conditions })).toString('base64');
  const signature = hmac(signingKey(credentials.secretAccessKey, scope), policy).toString('hex');
  const boundary = 'form-boundary';
  const parts = Object.entries({ ...fields, policy, 'x-amz-signature': signature }).map(
    ([name, value]) => `--${boundary}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`,
  );
  const file = `--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n${o.content}\r\n`;
  const body = Buffer.from(`${parts.join('')}${file}--${boundary}--\r\n`);
  const headers: Header[] = [
    ['content-type', `multipart/form-data; boundary=${boundary}`],
    ['content-length', String(body.length)],
  ];
  return { path: `/${o.bucket}`, headers, body };
}
