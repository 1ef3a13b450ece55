/**
 * Serves a `Backend` bare, as an S3 endpoint without a proxy: for stores that are no servers, and for wrappers around one. It
 * reads bodies as S3 would (length, SHA-256, aws-chunked framing, checksums that the backend does not verify) and hands
 * everything else on as it came; it verifies no signature, so sequences about signatures are for stores with an endpoint of their own.
 */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import type { Backend, BackendMethod, BackendRequest, QueryParameter } from '../../proxy/backend/backend.ts';
import { S3Error } from '../../proxy/errors.ts';
import { renderErrorXml } from '../../proxy/xml/render-xml.ts';
import { ALGORITHMS, type Algorithm, referenceChecksum } from '../helpers/reference-checksums.ts';

export interface BareServer {
  readonly endpoint: string;
  close(): Promise<void>;
}

export interface BareServerOptions {
  /** What the backend verifies itself. The others are compared with the body here, and not handed on. */
  readonly checksums: readonly Algorithm[];
}

export async function serveBare(backend: Backend, o: BareServerOptions): Promise<BareServer> {
  const server = createServer({ keepAlive: false }, (incoming, outgoing) => {
    void answer({ backend, ...o }, incoming, outgoing).catch((error: unknown) => refuse(incoming, outgoing, error));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    endpoint: `http://127.0.0.1:${address.port}`,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

async function answer(
  o: BareServerOptions & { backend: Backend },
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): Promise<void> {
  const pieces: Buffer[] = [];
  for await (const piece of incoming) pieces.push(piece);
  const request = withoutChecksums(backendRequest(incoming, Buffer.concat(pieces)), o.checksums);
  const response = await o.backend.send(request);
  outgoing.writeHead(response.status, response.headers);
  if (request.method === 'HEAD' || response.status === 204 || response.status === 304) {
    response.body.resume();
    outgoing.end();
    return;
  }
  await pipeline(response.body, outgoing);
}

function backendRequest(incoming: IncomingMessage, raw: Buffer): BackendRequest {
  const [path = '', rawQuery = ''] = splitOnce(incoming.url ?? '', '?');
  const [bucket = '', key = ''] = splitOnce(path.slice(1), '/');
  const headers = headersOf(incoming);
  const { body, added } = payloadOf(headers, raw);
  const method = incoming.method as BackendMethod;
  const hasBody = raw.length > 0 || method === 'PUT' || method === 'POST';
  const query = queryOf(rawQuery);
  return {
    method,
    ...(bucket === '' ? {} : { bucket: decoded(bucket) }),
    ...(key === '' ? {} : { key: decoded(key) }),
    query,
    headers: { ...forwarded(headers), ...added },
    ...(hasBody && method !== 'GET' && method !== 'HEAD' ? { body } : {}),
    signal: AbortSignal.timeout(60_000),
  };
}

/** S3: one of another length is InvalidRequest, one of another body BadDigest. */
function withoutChecksums(request: BackendRequest, kept: readonly Algorithm[]): BackendRequest {
  const { body } = request;
  if (!Buffer.isBuffer(body)) return request;
  const headers = { ...request.headers };
  for (const algorithm of ALGORITHMS) {
    const name = `x-amz-checksum-${algorithm.toLowerCase()}`;
    const value = headers[name];
    if (value === undefined || kept.includes(algorithm)) continue;
    delete headers[name];
    const computed = referenceChecksum(algorithm, body);
    if (value === computed) continue;
    throw new S3Error(bytesOf(value) === bytesOf(computed) ? 'BadDigest' : 'InvalidRequest');
  }
  return { ...request, headers };
}

const bytesOf = (base64: string): number => Buffer.from(base64, 'base64').length;

function splitOnce(text: string, by: string): [string, string | undefined] {
  const at = text.indexOf(by);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + by.length)];
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (cause) {
    throw new S3Error('InvalidURI', undefined, { cause });
  }
}

function headersOf(incoming: IncomingMessage): Record<string, string> {
  const headers: Record<string, string> = {};
  const { rawHeaders } = incoming;
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = (rawHeaders[i] ?? '').toLowerCase();
    const value = rawHeaders[i + 1] ?? '';
    headers[name] = headers[name] === undefined ? value : `${headers[name]},${value}`;
  }
  return headers;
}

/** Parameters of a presigned URL are not the store's. */
function queryOf(raw: string): QueryParameter[] {
  if (raw === '') return [];
  return raw.split('&').flatMap((pair): QueryParameter[] => {
    const [name, value = ''] = splitOnce(pair, '=');
    const read = (text: string) => decoded(text.replaceAll('+', '%20'));
    return /^x-amz-(algorithm|credential|date|expires|signedheaders|signature)$/i.test(read(name)) || name === 'x-id'
      ? []
      : [[read(name), read(value)]];
  });
}

/** About the connection or the signature. */
const OWN = new Set([
  ...['host', 'connection', 'content-length', 'transfer-encoding', 'expect', 'authorization', 'x-amz-date', 'date'],
  ...['x-amz-content-sha256', 'x-amz-decoded-content-length', 'x-amz-trailer', 'x-amz-sdk-checksum-algorithm'],
  ...['user-agent', 'accept', 'origin', 'x-amz-user-agent'],
]);

function forwarded(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) => {
      if (OWN.has(name)) return [];
      if (name !== 'content-encoding') return [[name, value]];
      const codings = value.split(',').flatMap((coding) => (coding.trim() === 'aws-chunked' ? [] : [coding.trim()]));
      return codings.length === 0 ? [] : [[name, codings.join(',')]];
    }),
  );
}

function payloadOf(
  headers: Readonly<Record<string, string>>,
  raw: Buffer,
): { body: Buffer; added: Record<string, string> } {
  const declared = headers['x-amz-content-sha256'] ?? 'UNSIGNED-PAYLOAD';
  if (declared.startsWith('STREAMING-')) {
    const { data, trailer } = unframed(raw);
    const length = headers['x-amz-decoded-content-length'];
    if (length !== undefined && Number(length) !== data.length) throw new S3Error('IncompleteBody');
    return { body: data, added: trailer };
  }
  if (/^[0-9a-f]{64}$/.test(declared) && createHash('sha256').update(raw).digest('hex') !== declared) {
    throw new S3Error('XAmzContentSHA256Mismatch');
  }
  return { body: raw, added: {} };
}

function unframed(raw: Buffer): { data: Buffer; trailer: Record<string, string> } {
  const pieces: Buffer[] = [];
  for (let at = 0; ; ) {
    const end = raw.indexOf('\r\n', at);
    const size = Number.parseInt(raw.subarray(at, end).toString('latin1'), 16);
    if (end < 0 || Number.isNaN(size)) throw new S3Error('IncompleteBody');
    if (size === 0)
      return { data: Buffer.concat(pieces), trailer: trailerOf(raw.subarray(end + 2).toString('latin1')) };
    if (raw.length < end + 2 + size + 2) throw new S3Error('IncompleteBody');
    pieces.push(raw.subarray(end + 2, end + 2 + size));
    at = end + 2 + size + 2;
  }
}

function trailerOf(text: string): Record<string, string> {
  const lines = text.split(/\r?\n/).filter((line) => line.includes(':'));
  return Object.fromEntries(
    lines.flatMap((line) => {
      const [name, value = ''] = splitOnce(line, ':');
      return name.trim() === 'x-amz-trailer-signature' ? [] : [[name.trim(), value.trim()]];
    }),
  );
}

function refuse(incoming: IncomingMessage, outgoing: ServerResponse, error: unknown): void {
  if (outgoing.headersSent) {
    outgoing.destroy();
    return;
  }
  const known = error instanceof S3Error ? error : new S3Error('InternalError', undefined, { cause: error });
  const document = renderErrorXml({ Code: known.code, Message: known.message, ...known.details });
  outgoing.writeHead(known.status, { 'content-type': 'application/xml', ...known.headers });
  outgoing.end(incoming.method === 'HEAD' ? undefined : document);
}
