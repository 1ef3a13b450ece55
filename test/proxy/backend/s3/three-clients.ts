/**
 * The same bytes of an answer read by three HTTP clients: the one towards the store, Node's own, and undici. A verdict is the
 * response as the client understood it, or that it refused to.
 */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { request as nodeRequest } from 'node:http';
import { createServer, type Socket } from 'node:net';
import { Client } from 'undici';
import { readBody } from '../../../../proxy/backend/read-body.ts';
import { never, openTestBackend } from './open.ts';

export interface Understood {
  readonly status: number;
  /** Lower-case names; of repeated ones all values. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export type Verdict = Understood | 'refused';

export interface Verdicts {
  readonly ours: Verdict;
  readonly node: Verdict;
  readonly undici: Verdict;
}

export type Method = 'GET' | 'HEAD';

export interface ThreeClients {
  /** `pieces`: of the answer, each written by itself; then the connection ends. */
  read(method: Method, pieces: readonly Buffer[]): Promise<Verdicts>;
  close(): Promise<void>;
}

export async function threeClients(): Promise<ThreeClients> {
  let pieces: readonly Buffer[] = [];
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
    socket.once('data', () => void answer(socket, pieces));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  const endpoint = new URL(`http://127.0.0.1:${port}`);
  return {
    async read(method, next) {
      pieces = next;
      const ours = await byOurs(endpoint, method);
      return { ours, node: await byNode(endpoint, method), undici: await byUndici(endpoint, method) };
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

async function answer(socket: Socket, pieces: readonly Buffer[]): Promise<void> {
  for (const piece of pieces) {
    if (socket.destroyed) return;
    await new Promise((resolve) => socket.write(piece, resolve));
    // What is written apart is read apart, mostly.
    if (pieces.length > 1) await new Promise((resolve) => setImmediate(resolve));
  }
  socket.end();
}

async function byOurs(endpoint: URL, method: Method): Promise<Verdict> {
  const backend = openTestBackend(endpoint);
  try {
    const response = await backend.send({ method, bucket: 'b', key: 'k', signal: never() });
    const { status, headers } = response;
    return { status, headers: { ...headers }, body: digest(await readBody(response, { maxBytes: 1 << 20 })) };
  } catch {
    return 'refused';
  } finally {
    await backend.close();
  }
}

function byNode(endpoint: URL, method: Method): Promise<Verdict> {
  return new Promise((resolve) => {
    const refused = () => resolve('refused');
    const request = nodeRequest(endpoint, { method, path: '/b/k', agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk) => chunks.push(chunk));
      response.on('error', refused);
      response.on('aborted', refused);
      response.on('end', () => {
        if (!response.complete) return refused();
        const headers = Object.fromEntries(
          Object.entries(response.headersDistinct).map(([name, values]) => [name, (values ?? []).join(', ')]),
        );
        resolve({ status: response.statusCode ?? 0, headers, body: digest(Buffer.concat(chunks)) });
        return undefined;
      });
    });
    request.on('upgrade', (_, socket) => {
      socket.destroy();
      refused();
    });
    request.on('error', refused);
    request.end();
  });
}

async function byUndici(endpoint: URL, method: Method): Promise<Verdict> {
  const client = new Client(endpoint.origin);
  try {
    const { statusCode, headers, body } = await client.request({ method, path: '/b/k' });
    const content = Buffer.from(await body.arrayBuffer());
    // It leaves white space at the end of a value, which is none of it (RFC 9110, section 5.5).
    const joined = Object.entries(headers).map(([name, value]) => [
      name,
      [value ?? []]
        .flat()
        .map((one) => one.replace(/[ \t]+$/, ''))
        .join(', '),
    ]);
    return { status: statusCode, headers: Object.fromEntries(joined), body: digest(content) };
  } catch {
    return 'refused';
  } finally {
    await client.destroy();
  }
}

function digest(body: Buffer): string {
  return `${body.length}:${createHash('sha256').update(body).digest('hex').slice(0, 16)}`;
}
