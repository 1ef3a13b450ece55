/**
 * An HTTP server by hand, for what well-behaved servers cannot do: answers before the body, 100 Continue twice or never,
 * connections cut at a chosen byte, silence. Each request is handed to the script with its raw head.
 */
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';

export interface RawRequest {
  /** Request line and headers as received, without the blank line. */
  readonly head: string;
  readonly requestLine: string;
  /** Value of a header as sent; `undefined` when it was not. */
  header(name: string): string | undefined;
  /** The body so far. */
  body(): Buffer;
  /** Resolves once `bytes` of the body (by default all of Content-Length) are there; `false` when the client closes before. */
  received(bytes?: number): Promise<boolean>;
  readonly socket: Socket;
  /** 0 for the first request of the server, and so on. */
  readonly index: number;
  /** 0 for the first request on its connection. */
  readonly indexOnConnection: number;
  /** Writes a whole response; `head` holds extra header lines. */
  respond(status: number, o?: { headers?: Record<string, string>; body?: string | Buffer }): void;
}

export interface RawServer {
  readonly endpoint: URL;
  readonly requests: readonly RawRequest[];
  /** Connections open now. */
  readonly sockets: ReadonlySet<Socket>;
  /** Connections ever accepted. */
  readonly accepted: () => number;
  /** Resolves when no connection is open. */
  idle(): Promise<void>;
  close(): Promise<void>;
}

/** What it returns is ignored, a promise included. */
type Script = (request: RawRequest) => unknown;

export async function rawServer(script: Script): Promise<RawServer> {
  const sockets = new Set<Socket>();
  const requests: RawRequest[] = [];
  const emptied = new Set<() => void>();
  let accepted = 0;
  const server = createServer({ noDelay: true }, (socket) => {
    accepted++;
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => {
      sockets.delete(socket);
      if (sockets.size === 0) for (const wake of emptied) wake();
    });
    serve(
      socket,
      (request) => {
        requests.push(request);
        script(request);
      },
      () => requests.length,
    );
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    endpoint: new URL(`http://127.0.0.1:${address.port}`),
    requests,
    sockets,
    accepted: () => accepted,
    async idle() {
      while (sockets.size > 0) await new Promise<void>((resolve) => emptied.add(resolve));
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

function serve(socket: Socket, onRequest: (request: RawRequest) => void, index: () => number): void {
  let pending = Buffer.alloc(0);
  let current: { chunks: Buffer[]; got: number; left: number; wake: (() => void)[] } | undefined;
  let onConnection = 0;
  socket.on('data', (chunk) => {
    pending = Buffer.concat([pending, chunk]);
    while (pending.length > 0) {
      if (current !== undefined && current.left > 0) {
        const piece = pending.subarray(0, current.left);
        pending = pending.subarray(piece.length);
        current.left -= piece.length;
        current.got += piece.length;
        current.chunks.push(piece);
        for (const wake of current.wake.splice(0)) wake();
        continue;
      }
      const end = pending.indexOf('\r\n\r\n');
      if (end < 0) return;
      const head = pending.subarray(0, end).toString('latin1');
      pending = pending.subarray(end + 4);
      const length = Number(/^content-length: *(\d+)/im.exec(head)?.[1] ?? 0);
      const body: NonNullable<typeof current> = { chunks: [], got: 0, left: length, wake: [] };
      current = body;
      onRequest(requestOf(socket, { head, length, body, index: index(), indexOnConnection: onConnection++ }));
    }
  });
  const wakeAll = () => {
    for (const wake of current?.wake.splice(0) ?? []) wake();
  };
  socket.on('end', wakeAll);
  socket.on('close', wakeAll);
}

function requestOf(
  socket: Socket,
  o: {
    head: string;
    length: number;
    body: { chunks: Buffer[]; got: number; left: number; wake: (() => void)[] };
    index: number;
    indexOnConnection: number;
  },
): RawRequest {
  return {
    head: o.head,
    requestLine: o.head.slice(0, o.head.indexOf('\r\n')),
    header: (name) => new RegExp(`^${name}: *(.*)$`, 'im').exec(o.head)?.[1]?.trimEnd(),
    body: () => Buffer.concat(o.body.chunks),
    async received(bytes = o.length) {
      while (o.body.got < bytes) {
        if (socket.destroyed || socket.readableEnded) return false;
        await new Promise<void>((resolve) => o.body.wake.push(resolve));
      }
      return true;
    },
    socket,
    index: o.index,
    indexOnConnection: o.indexOnConnection,
    respond(status, { headers = {}, body = '' } = {}) {
      const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
      socket.write(`HTTP/1.1 ${status} X\r\n${lines.join('')}content-length: ${Buffer.byteLength(body)}\r\n\r\n`);
      if (body.length > 0) socket.write(body);
    },
  };
}
