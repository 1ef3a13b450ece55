/**
 * The S3 listener. It sits on node:http itself and not on a web framework: S3 needs the raw request target, every header as
 * received, and the 100 Continue in its own hands. How long a connection may take for what is connections.ts's; node's own
 * timeouts of heads are off, because after one of them node would still serve what it has refused.
 */
import { createServer as createHttpServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { S3Error } from '../errors.ts';
import { DRAIN_TIMEOUT_MS, IDLE_TIMEOUT_MS, MAX_REQUEST_HEAD_BYTES, REFUSED_CONNECTIONS } from '../limits.ts';
import { handleRequest } from '../pipeline.ts';
import type { Pipeline } from '../pipeline-parts.ts';
import { type ConnectionLimits, type ConnectionLoad, Connections } from './connections.ts';
import type { ListenAddress } from './listen-address.ts';
import { unreadable } from './refusal.ts';

export interface RunningServer {
  /** The port may have been 0. */
  readonly address: ListenAddress;
  /** Stops accepting, lets requests under way finish within DRAIN_TIMEOUT_MS, then cuts them. */
  close(): Promise<void>;
}

export interface ServerOptions {
  readonly listen: ListenAddress;
  readonly tls?: { readonly cert: Buffer; readonly key: Buffer } | undefined;
  readonly limits?: ConnectionLimits | undefined;
  /** Told when all connections are in use, and when there is room again. */
  readonly onFull?: (isFull: boolean) => void;
}

export async function startServer(
  pipeline: Pipeline,
  o: ServerOptions,
): Promise<RunningServer & { readonly connections: ConnectionLoad }> {
  const options = {
    maxHeaderSize: MAX_REQUEST_HEAD_BYTES,
    requireHostHeader: false,
    headersTimeout: 0,
    requestTimeout: 0,
    keepAliveTimeout: IDLE_TIMEOUT_MS,
    noDelay: true,
  };
  const server = o.tls === undefined ? createHttpServer(options) : createHttpsServer({ ...options, ...o.tls });
  const connections = new Connections({ ...o.limits, ...(o.onFull !== undefined && { onFull: o.onFull }) });
  countConnections(server, connections, { secure: o.tls !== undefined });
  server.timeout = IDLE_TIMEOUT_MS;
  const handle = (expectsContinue: boolean) => (incoming: IncomingMessage, outgoing: ServerResponse) => {
    const connection = connections.of(incoming.socket);
    const done = connection === undefined ? undefined : connections.begin(connection);
    if (connection === undefined || done === undefined) {
      // The connection was refused: what comes on it now is read and ignored.
      incoming.resume();
      return;
    }
    outgoing.once('close', done);
    const refuse = connection.isExcess ? tooManyConnections(outgoing) : undefined;
    handleRequest(pipeline, incoming, outgoing, { expectsContinue, refuse, connection }).catch((error: unknown) => {
      pipeline.log.error({ err: error }, 'request handler failed');
      outgoing.destroy();
    });
  };
  server.on('request', handle(false));
  server.on('checkContinue', handle(true));
  server.on('checkExpectation', handle(false));
  server.on('clientError', (error, socket: Socket) => refuseUnreadable(connections, error, socket));
  await listen(server, o.listen);
  const bound = server.address() as AddressInfo;
  return {
    address: { host: bound.address, port: bound.port },
    close: () => drain(server, connections),
    connections,
  };
}

/** From accept on, those in a TLS handshake included. Some more than the limit are accepted, to be told. */
function countConnections(server: Server, connections: Connections, o: { secure: boolean }): void {
  server.maxConnections = connections.limit + REFUSED_CONNECTIONS;
  // A worker that is full closes what it gets: handed back, it would go round all workers for ever.
  Object.assign(server, { dropMaxConnection: true });
  // In front of node's own listener, which may already read.
  server.prependListener('connection', (socket: Socket) => connections.accept(socket, o));
  if (o.secure) server.prependListener('secureConnection', (socket: Socket) => connections.secured(socket));
  server.on('drop', () => connections.dropped());
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

/** What node's parser does not understand never becomes a request. A failed TLS handshake comes here, too. */
function refuseUnreadable(connections: Connections, error: Error & { code?: string }, socket: Socket): void {
  const connection = connections.of(socket);
  if (connection === undefined || error.code === 'ECONNRESET') socket.destroy();
  else connections.refuse(connection, unreadable(error.code));
}

async function drain(server: Server, connections: Connections): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  connections.drain();
  const cut = setTimeout(() => connections.destroyAll(), DRAIN_TIMEOUT_MS);
  await closed;
  clearTimeout(cut);
  connections.close();
}
