/**
 * What an operation answers, and how it goes out: errors as S3's XML, bodies with back-pressure, and a body that fails after
 * its headers went out cut short of Content-Length, never ended cleanly.
 */
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { S3Error } from '../errors.ts';
import { WRITE_AHEAD_BYTES } from '../limits.ts';
import { youngBuffers } from '../memory/young-buffers.ts';
import type { RequestScope } from '../observe/request-scope.ts';
import { renderErrorXml } from '../xml/render-xml.ts';

export interface Reply {
  readonly status: number;
  /** In order; names as S3 spells them. Undefined values are left out. */
  readonly headers?: Readonly<Record<string, string | undefined>>;
  readonly body?: string | Buffer | readonly Buffer[] | StreamBody | undefined;
}

/** One whose body is at hand, in one piece or several. */
export interface WholeReply extends Reply {
  readonly body?: string | Buffer | readonly Buffer[] | undefined;
}

/** A body of exactly `length` bytes, or of unknown length. Iterating it may throw: the connection is then cut. */
export interface StreamBody {
  readonly length: number | undefined;
  readonly chunks: AsyncIterable<Buffer>;
}

export function xmlReply(document: string | Buffer, status = 200): WholeReply {
  return { status, headers: { 'Content-Type': 'application/xml' }, body: document };
}

/** The error document; HEAD and 304 have no body. */
export function errorReply(error: S3Error, o: { method: string; resource: string; requestId: string }): WholeReply {
  if (o.method === 'HEAD' || error.status === 304) return { status: error.status, headers: error.headers };
  const body = renderErrorXml({
    Code: error.code,
    Message: error.message,
    ...error.details,
    Resource: o.resource,
    RequestId: o.requestId,
    HostId: o.requestId,
  });
  return { status: error.status, headers: { ...error.headers, 'Content-Type': 'application/xml' }, body };
}

/**
 * Sends the reply. Resolves when everything was handed to the socket.
 * @throws whatever the body throws before the headers went out, so that the caller can still answer with an error.
 */
export async function sendReply(
  outgoing: ServerResponse,
  reply: Reply,
  o: { requestId: string; signal: AbortSignal; scope: RequestScope },
): Promise<void> {
  const { body } = reply;
  if (body === undefined || typeof body === 'string' || !('chunks' in body)) {
    sendWhole(outgoing, { ...reply, body }, o);
    return;
  }
  const iterator = body.chunks[Symbol.asyncIterator]();
  try {
    const first = await iterator.next();
    writeHead(outgoing, reply, o, body.length);
    await pump(outgoing, first, iterator, { ...o, length: body.length });
  } catch (error) {
    if (outgoing.headersSent) outgoing.destroy();
    throw error;
  } finally {
    await iterator.return?.();
  }
}

/** Sends a reply whose body, if any, is at hand. */
export function sendWhole(
  outgoing: ServerResponse,
  reply: WholeReply,
  o: { readonly requestId: string; readonly scope: RequestScope },
): void {
  const { body } = reply;
  if (body === undefined || typeof body === 'string' || Buffer.isBuffer(body)) {
    const length = body === undefined ? 0 : Buffer.byteLength(body);
    writeHead(outgoing, reply, o, length);
    outgoing.end(body);
    o.scope.bytesOut += length;
    return;
  }
  const length = body.reduce((sum, piece) => sum + piece.length, 0);
  writeHead(outgoing, reply, o, length);
  // What is written in one turn leaves in one system call. The last piece goes with the end, which is a write less.
  for (let i = 0; i < body.length - 1; i++) outgoing.write(body[i]);
  outgoing.end(body.at(-1));
  o.scope.bytesOut += length;
  youngBuffers.handedOn(length);
}

async function pump(
  outgoing: ServerResponse,
  first: IteratorResult<Buffer>,
  iterator: AsyncIterator<Buffer>,
  o: { length: number | undefined; signal: AbortSignal; scope: RequestScope },
): Promise<void> {
  const { length = Number.POSITIVE_INFINITY, signal } = o;
  let sent = 0;
  for (let step = first; step.done !== true; step = await iterator.next()) {
    signal.throwIfAborted();
    sent += step.value.length;
    if (sent > length) throw new Error('a reply is longer than its Content-Length');
    // Pieces that are at hand together leave in one system call; node's own mark would send each by itself.
    youngBuffers.handedOn(step.value.length);
    o.scope.bytesOut += step.value.length;
    const goesOn = outgoing.write(step.value) || outgoing.writableLength < WRITE_AHEAD_BYTES;
    if (!goesOn) await once(outgoing, 'drain', { signal });
  }
  if (sent < (o.length ?? 0)) throw new Error('a reply is shorter than its Content-Length');
  outgoing.end();
}

/**
 * The head in one call: a name given twice counts in its last value. It is built before the body is known to node, which
 * would otherwise rewrite the bytes of a Content-Disposition.
 */
function writeHead(
  outgoing: ServerResponse,
  reply: Reply,
  { requestId, scope }: { readonly requestId: string; readonly scope: RequestScope },
  length: number | undefined,
): void {
  const head = ['x-amz-request-id', requestId, 'x-amz-id-2', requestId, 'Server', 'Sealgate'];
  const places = new Map<string, number>();
  const { headers = {} } = reply;
  for (const name in headers) {
    const value = headers[name];
    if (value === undefined) continue;
    const lower = name.toLowerCase();
    const place = places.get(lower) ?? head.length;
    places.set(lower, place);
    head[place] = name;
    head[place + 1] = value;
  }
  const bodiless = reply.status === 204 || reply.status === 304;
  if (!bodiless && length !== undefined && !places.has('content-length')) head.push('Content-Length', String(length));
  scope.firstByteAt = performance.now();
  outgoing.writeHead(reply.status, head);
}
