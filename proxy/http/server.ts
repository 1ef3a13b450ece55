/**
 * The S3 listener. It sits on node:http itself and not on a web framework: S3 needs the raw request target, every header as
 * received, and the 100 Continue in its own hands. How long a connection may take for what is connections.ts's; node's own
 * timeouts of heads are off, because after one of them node would still serve what it has refused.
 */
import { createServer as createHttpServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createHttpsServer, Server as HttpsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import { addressGroup } from '../access/rates/address-group.ts';
import { S3Error } from '../errors.ts';
import { IDLE_TIMEOUT_MS, MAX_REQUEST_HEAD_BYTES, REFUSED_CONNECTIONS } from '../limits.ts';
import { EventBound } from '../observe/event-bound.ts';
import type { Logger } from '../observe/log.ts';
import { handleRequest } from '../pipeline.ts';
import type { Pipeline } from '../pipeline-parts.ts';
import { DRAIN_TIMEOUT_MS, LAST_CONNECTIONS_MS, LISTEN_BACKLOG } from '../running-limits.ts';
import { type ConnectionLimits, type ConnectionLoad, Connections } from './connections.ts';
import type { ListenAddress } from './listen-address.ts';
import { OpenReplies } from './open-replies.ts';
import { readProxyHeader } from './read-proxy-header.ts';
import { unreadable } from './refusal.ts';

export interface RunningServer {
  /** The port may have been 0. */
  readonly address: ListenAddress;
  /** Stops accepting, lets requests under way finish within `drainMs`, then cuts them. */
  close(drainMs?: number): Promise<void>;
}

/** The S3 listener, which is stopped in two steps and can be given another certificate. */
export interface S3Server extends RunningServer {
  readonly connections: ConnectionLoad;
  /** Requests under way. */
  openReplies(): number;
  /** From now on every reply ends its connection, so that clients go elsewhere; connections are still taken. */
  drain(): void;
  /** For handshakes from now on. @throws Error when it is no pair, or the listener speaks plain HTTP */
  renewCertificate(pair: { readonly cert: Buffer; readonly key: Buffer }): void;
}

export interface ServerOptions {
  readonly listen: ListenAddress;
  readonly tls?: { readonly cert: Buffer; readonly key: Buffer } | undefined;
  /** Whether every connection begins with a PROXY header, of a balancer; one without is closed. */
  readonly proxyProtocol?: boolean;
  readonly limits?: ConnectionLimits | undefined;
  /** Told when all connections are in use, and when there is room again. */
  readonly onFull?: (isFull: boolean) => void;
  /** Further processes listen on the same address, each with a queue of its own. */
  readonly reusePort?: boolean;
}

export async function startServer(pipeline: Pipeline, o: ServerOptions): Promise<S3Server> {
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
  const { proxyProtocol: proxied = false } = o;
  countConnections(server, connections, { secure: o.tls !== undefined, proxied, onRefused: refusedHeaders(pipeline) });
  server.timeout = IDLE_TIMEOUT_MS;
  const replies = new OpenReplies();
  const handle = (expectsContinue: boolean) => (incoming: IncomingMessage, outgoing: ServerResponse) => {
    const connection = connections.of(incoming.socket);
    const done = connection === undefined ? undefined : connections.begin(connection);
    if (connection === undefined || done === undefined) {
      // The connection was refused: what comes on it now is read and ignored.
      incoming.resume();
      return;
    }
    replies.add(outgoing);
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
  await listen(server, o);
  const bound = server.address() as AddressInfo;
  return {
    address: { host: bound.address, port: bound.port },
    connections,
    openReplies: () => replies.size,
    drain: () => replies.drain(),
    close: (drainMs = DRAIN_TIMEOUT_MS) => close(server, { drainMs, connections, replies, log: pipeline.log }),
    renewCertificate({ cert, key }) {
      if (!(server instanceof HttpsServer)) throw new Error('the listener speaks plain HTTP');
      server.setSecureContext({ cert, key });
    },
  };
}

/** From accept on, those in a TLS handshake included. Some more than the limit are accepted, to be told. */
function countConnections(
  server: Server,
  connections: Connections,
  o: { secure: boolean; proxied: boolean; onRefused: (peer: string | undefined, reason: string) => void },
): void {
  server.maxConnections = connections.limit + REFUSED_CONNECTIONS;
  // A worker that is full closes what it gets: handed back, it would go round all workers for ever.
  Object.assign(server, { dropMaxConnection: true });
  if (o.proxied) readHeadersFirst(server, connections, o);
  // In front of node's own listener, which may already read.
  server.prependListener('connection', (socket: Socket) => connections.accept(socket, o));
  if (o.secure) server.prependListener('secureConnection', (socket: Socket) => connections.secured(socket));
  server.on('drop', () => connections.dropped());
}

/** Node's own listener gets a connection when its PROXY header is read. */
function readHeadersFirst(
  server: Server,
  connections: Connections,
  o: { secure: boolean; onRefused: (peer: string | undefined, reason: string) => void },
): void {
  const listeners = server.rawListeners('connection');
  server.removeAllListeners('connection');
  server.on('connection', (socket: Socket) => {
    const peer = connections.of(socket)?.peer;
    readProxyHeader(socket, {
      onHeader(header) {
        connections.addressed(socket, { ...o, client: header.kind === 'local' ? peer : header.address });
        for (const listener of listeners) listener.call(server, socket);
      },
      onRefused: (reason) => o.onRefused(peer, reason),
    });
  });
}

function refusedHeaders({ services, metrics, log }: Pick<Pipeline, 'services' | 'metrics' | 'log'>) {
  const events = new EventBound();
  return (peer: string | undefined, reason: string) => {
    metrics.proxyHeaderRefused();
    if (!events.isDue(peer === undefined ? '' : addressGroup(peer))) return;
    const detail = `a connection without a PROXY header of version 2 was closed: ${reason}`;
    const from = peer === undefined ? {} : { sourceIPAddress: peer };
    const recorded = async () => services.record({ kind: 'proxy-header-refused', detail, ...from });
    recorded().catch((err: unknown) => log.error({ err }, 'an event was not recorded'));
  };
}

function tooManyConnections(outgoing: ServerResponse): S3Error {
  outgoing.setHeader('Connection', 'close');
  return new S3Error('SlowDown', 'Too many connections are open. Try again.', { headers: { 'Retry-After': '1' } });
}

function listen(server: Server, { listen: { host, port }, reusePort = false }: ServerOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port, reusePort, backlog: LISTEN_BACKLOG }, () => {
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

async function close(
  server: Server,
  o: {
    readonly drainMs: number;
    readonly connections: Connections;
    readonly replies: OpenReplies;
    readonly log: Pick<Logger, 'warn'>;
  },
): Promise<void> {
  const { connections, replies } = o;
  replies.drain();
  const cut = setTimeout(() => {
    const requests = replies.cut();
    if (requests > 0) o.log.warn({ requests }, 'stopping: requests were not finished in time, and are cut');
    connections.destroyAll();
  }, o.drainMs);
  await acceptQueued(server, Math.min(o.drainMs, LAST_CONNECTIONS_MS));
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  connections.drain();
  await closed;
  clearTimeout(cut);
  connections.close();
}

/**
 * The kernel has made connections that nobody has accepted yet; it resets them when the listener closes. Node accepts one in each
 * turn of its loop, so a turn without one has seen the queue empty.
 */
async function acceptQueued(server: Server, atMostMs: number): Promise<void> {
  let accepted = true;
  const note = () => {
    accepted = true;
  };
  server.on('connection', note);
  for (const end = performance.now() + atMostMs; accepted && performance.now() < end; ) {
    accepted = false;
    // A turn looks at sockets and then runs what was set; the first one may have begun after that look.
    await setImmediate();
    await setImmediate();
  }
  server.off('connection', note);
}
