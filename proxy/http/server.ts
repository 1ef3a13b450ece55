/**
 * The S3 listener. It sits on node:http itself and not on a web framework: S3 needs the raw request target, every header as
 * received, and the 100 Continue in its own hands.
 */
import {
  createServer as createHttpServer,
  type IncomingMessage,
  type Server,
  type ServerResponse,
  STATUS_CODES,
} from 'node:http';
import { createServer as createHttpsServer, Server as HttpsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { S3Error } from '../errors.ts';
import {
  DRAIN_TIMEOUT_MS,
  HEAD_TIMEOUT_MS,
  IDLE_TIMEOUT_MS,
  MAX_CONNECTIONS,
  MAX_REQUEST_HEAD_BYTES,
  REFUSED_CONNECTIONS,
} from '../limits.ts';
import { handleRequest } from '../pipeline.ts';
import type { Pipeline } from '../pipeline-parts.ts';
import type { ListenAddress } from './listen-address.ts';
import { errorReply } from './reply.ts';
import { versionNotSupported } from './request.ts';
import { createRequestId } from './request-id.ts';

export interface RunningServer {
  /** The port may have been 0. */
  readonly address: ListenAddress;
  /** Stops accepting, lets requests under way finish within DRAIN_TIMEOUT_MS, then cuts them. */
  close(): Promise<void>;
}

export async function startServer(
  pipeline: Pipeline,
  o: { listen: ListenAddress; tls?: { cert: Buffer; key: Buffer } | undefined; maxConnections?: number },
): Promise<RunningServer> {
  const options = {
    maxHeaderSize: MAX_REQUEST_HEAD_BYTES,
    requireHostHeader: false,
    headersTimeout: HEAD_TIMEOUT_MS,
    requestTimeout: 0,
    keepAliveTimeout: IDLE_TIMEOUT_MS,
    noDelay: true,
  };
  const server = o.tls === undefined ? createHttpServer(options) : createHttpsServer({ ...options, ...o.tls });
  const maxConnections = o.maxConnections ?? MAX_CONNECTIONS;
  server.maxConnections = maxConnections + REFUSED_CONNECTIONS;
  const excess = connectionsBeyond(server, maxConnections);
  server.timeout = IDLE_TIMEOUT_MS;
  const lastReplies = new WeakMap<Socket, ServerResponse>();
  const handle = (expectsContinue: boolean) => (incoming: IncomingMessage, outgoing: ServerResponse) => {
    lastReplies.set(incoming.socket, outgoing);
    const refuse = excess.has(incoming.socket) ? tooManyConnections(outgoing) : undefined;
    handleRequest(pipeline, incoming, outgoing, { expectsContinue, refuse }).catch((error: unknown) => {
      pipeline.log.error({ err: error }, 'request handler failed');
      outgoing.destroy();
    });
  };
  server.on('request', handle(false));
  server.on('checkContinue', handle(true));
  server.on('checkExpectation', handle(false));
  server.on('clientError', (error, socket: Socket) => refuseUnreadable(error, socket, lastReplies.get(socket)));
  await listen(server, o.listen);
  const bound = server.address() as AddressInfo;
  return { address: { host: bound.address, port: bound.port }, close: () => drain(server) };
}

/** Connections that were opened while the limit was reached: they get one reply each, which says so. */
function connectionsBeyond(server: Server, limit: number): WeakSet<Socket> {
  const excess = new WeakSet<Socket>();
  let open = 0;
  // For https, when the handshake is done: those sockets are the ones that requests come on.
  server.on(server instanceof HttpsServer ? 'secureConnection' : 'connection', (socket: Socket) => {
    open += 1;
    if (open > limit) excess.add(socket);
    socket.once('close', () => {
      open -= 1;
    });
  });
  return excess;
}

function tooManyConnections(outgoing: ServerResponse): S3Error {
  outgoing.setHeader('Connection', 'close');
  return new S3Error('SlowDown', 'Too many connections are open. Try again.', { headers: { 'Retry-After': '1' } });
}

function listen(server: Server, address: ListenAddress): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(address.port, address.host, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

/**
 * What node's parser refuses never becomes a request: answer in S3's form and close. In the middle of the reply to an earlier
 * request the answer would be taken for a piece of its body: there the connection is only cut.
 */
function refuseUnreadable(
  error: Error & { code?: string },
  socket: Socket,
  lastReply: ServerResponse | undefined,
): void {
  const isReplying = lastReply?.headersSent === true && !lastReply.writableFinished;
  if (!socket.writable || error.code === 'ECONNRESET' || isReplying) {
    socket.destroy();
    return;
  }
  const refusal = refusalOf(error.code);
  const requestId = createRequestId();
  const body = String(errorReply(refusal, { method: 'GET', resource: '/', requestId }).body);
  socket.end(
    `HTTP/1.1 ${refusal.status} ${STATUS_CODES[refusal.status]}\r\nContent-Type: application/xml\r\nx-amz-request-id: ${requestId}\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}

/** By the code of node's own error. */
function refusalOf(code: string | undefined): S3Error {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return new S3Error('RequestHeaderSectionTooLarge');
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new S3Error('RequestTimeout');
    case 'HPE_INVALID_VERSION':
    case 'HPE_PAUSED_H2_UPGRADE':
      return versionNotSupported();
    default:
      return new S3Error('InvalidRequest', 'The request is not valid HTTP/1.1.');
  }
}

async function drain(server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  const cut = setTimeout(() => server.closeAllConnections(), DRAIN_TIMEOUT_MS);
  await closed;
  clearTimeout(cut);
}
