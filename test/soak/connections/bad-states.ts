/**
 * What a client can do wrong with a connection, one function a state: each opens a connection, brings it into the state and keeps it
 * there for as long as the server lets it. None of them closes it, and none takes the server's end for an end.
 */
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { MiB } from '../../helpers/bytes.ts';
import { FORM_TYPE } from '../../helpers/form.ts';
import {
  headText,
  presignQuery,
  type RawRequest,
  type SigningCredentials,
  signHeaders,
} from '../../helpers/raw-client.ts';

export interface Victim {
  readonly endpoint: string;
  readonly credentials: SigningCredentials;
  readonly bucket: string;
  /** Path of an object larger than what the operating system buffers for a connection. */
  readonly large: string;
}

/** Milliseconds between the bytes of a client that drips. */
const DRIP_MS = 5_000;

type State = (at: Victim) => Promise<Socket>;

export const BAD_STATES: Readonly<Record<string, State>> = {
  'connected, and silent': (at) => open(at, { plain: true }),
  'half a handshake': async (at) =>
    written(await open(at, { plain: true }), Buffer.from('16030100f8010000f40303', 'hex')),
  'no request': (at) => open(at),
  'a head that drips': async (at) =>
    dripping(written(await open(at), 'GET / HTTP/1.1\r\nhost: x\r\n'), 'x-drip: 1\r\n'),
  'half a head, and half closed': async (at) => {
    const socket = written(await open(at), 'GET / HTTP/1.1\r\nhost: x\r\n');
    socket.end();
    return socket;
  },
  'no HTTP, and nothing read': async (at) => {
    const socket = await open(at);
    socket.pause();
    return dripping(written(socket, 'NO HTTP AT ALL\r\n\r\n'), 'more of it\r\n');
  },
  'used once, then empty lines': async (at) => dripping(written(await open(at), get(at, `/${at.bucket}`)), '\r\n'),
  'a body that drips': async (at) => dripping(written(await open(at), put(at, MiB)), 'x'),
  'a large body that stops': async (at) =>
    written(await open(at), Buffer.concat([put(at, 8 * MiB), Buffer.alloc(MiB)])),
  'a body announced, and not sent': async (at) => written(await open(at), put(at, MiB, [['expect', '100-continue']])),
  'a form that stops': async (at) => {
    const headers = [
      ['host', new URL(at.endpoint).host],
      ['content-type', FORM_TYPE],
      ['content-length', '100000'],
    ] as const;
    return written(await open(at), headText({ method: 'POST', target: `/${at.bucket}`, headers }));
  },
  'a reply that is not read': async (at) => {
    const socket = await open(at);
    socket.pause();
    return written(socket, byLink(at));
  },
  'a reply that is read in drips': async (at) => {
    const socket = await open(at);
    socket.pause();
    const timer = setInterval(() => socket.read(16 * 1024), DRIP_MS);
    socket.once('close', () => clearInterval(timer));
    return written(socket, byLink(at));
  },
  'pipelined requests, and nothing read': async (at) => {
    const socket = await open(at);
    socket.pause();
    return written(socket, Buffer.concat(Array.from({ length: 20 }, () => get(at, `/${at.bucket}`))));
  },
};

/** Resolves when the handshakes are done; of TCP alone where it is `plain`. */
function open({ endpoint }: Victim, o: { plain?: boolean } = {}): Promise<Socket> {
  const { hostname, port, protocol } = new URL(endpoint);
  const address = { host: hostname, port: Number(port), allowHalfOpen: true };
  const isPlain = protocol === 'http:' || o.plain === true;
  const socket = isPlain ? connect(address) : connectTls({ ...address, rejectUnauthorized: false });
  socket.on('error', () => undefined);
  return new Promise((resolve, reject) => {
    socket.once(isPlain ? 'connect' : 'secureConnect', () => resolve(socket));
    socket.once('close', () => reject(new Error('the connection was not made')));
    socket.resume();
  });
}

function written(socket: Socket, bytes: Buffer | string): Socket {
  socket.write(bytes);
  return socket;
}

function dripping(socket: Socket, text: string): Socket {
  const timer = setInterval(() => socket.write(text), DRIP_MS);
  socket.once('close', () => clearInterval(timer));
  return socket;
}

function signed(at: Victim, request: RawRequest, more: readonly (readonly [string, string])[] = []): Buffer {
  const headers = signHeaders(request, at.credentials, new URL(at.endpoint).host);
  return headText({ method: request.method, target: request.path, headers: [...headers, ...more] });
}

const get = (at: Victim, path: string): Buffer => signed(at, { method: 'GET', path });

function put(at: Victim, length: number, headers: readonly (readonly [string, string])[] = []): Buffer {
  const request = { method: 'PUT', path: `/${at.bucket}/never`, payload: 'UNSIGNED-PAYLOAD' };
  return signed(at, request, [['content-length', String(length)], ...headers]);
}

/** The whole large object by a presigned URL, the same for all in one second. */
function byLink(at: Victim): Buffer {
  const { host } = new URL(at.endpoint);
  const query = presignQuery({ method: 'GET', path: at.large }, at.credentials, host);
  return headText({ method: 'GET', target: `${at.large}?${query}`, headers: [['host', host]] });
}
