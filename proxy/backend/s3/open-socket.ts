/** A socket to the store, TCP or TLS, whose reads go into memory of the caller's. */
import type { Buffer } from 'node:buffer';
import { connect, isIP, type OnReadOpts, type Socket } from 'node:net';
import { type ConnectionOptions as ConnectionOptionsOfTls, connect as connectTls } from 'node:tls';
import { ProxyTunnel } from './proxy-tunnel.ts';

/** PEM texts. */
export interface ClientTls {
  /** The certificates to trust instead of the built-in ones. */
  readonly ca?: string | undefined;
  /** The client certificate of the proxy, with those that signed it, and its private key. */
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
}

export interface ConnectionOptions {
  readonly secure: boolean;
  readonly hostname: string;
  readonly port: number;
  readonly tls?: ClientTls | undefined;
  /** Through which a TLS connection is made. */
  readonly proxy?: URL | undefined;
  /** A TLS session to resume. */
  readonly session?: Buffer | undefined;
}

/** OpenSSL's reason where node gives EPROTO alone: `...:error:0A00010B:SSL routines:ssl3_get_record:wrong version number:...` */
export function withReason(error: NodeJS.ErrnoException): NodeJS.ErrnoException {
  if (error.code !== 'EPROTO') return error;
  const reason = /error:[0-9A-F]{8}:SSL routines:[^:]*:([^:]+):/.exec(error.message)?.[1];
  if (reason !== undefined) error.code = `ERR_SSL_${reason.toUpperCase().replaceAll(' ', '_')}`;
  return error;
}

/** Begins to connect. `onread`: what reads go into, and who is told. */
export function openSocket(o: ConnectionOptions, onread: OnReadOpts): Socket {
  const { hostname: host, port } = o;
  if (!o.secure) return connect({ host, port, noDelay: true, onread });
  // `onread` goes on to the socket underneath, which the types do not know.
  const options: ConnectionOptionsOfTls & { readonly onread: OnReadOpts } = {
    host,
    port,
    onread,
    ...(isIP(host) === 0 ? { servername: host } : {}),
    ...present(o.tls ?? {}),
    ...(o.session === undefined ? {} : { session: o.session }),
    ALPNProtocols: ['http/1.1'],
  };
  if (o.proxy === undefined) return connectTls(options).setNoDelay(true);
  const { onread: _, ...others } = options;
  const socket = connectTls({ ...others, socket: new ProxyTunnel({ proxy: o.proxy, hostname: host, port }) });
  return readInto(socket, onread);
}

/** Does what `onread` does for a socket of the system. A socket over a stream does not know `onread`. */
function readInto(socket: Socket, onread: OnReadOpts): Socket {
  return socket.on('data', (chunk: Buffer) => {
    let goesOn = true;
    for (let at = 0; at < chunk.length && !socket.destroyed; ) {
      const memory = typeof onread.buffer === 'function' ? onread.buffer() : onread.buffer;
      const length = Math.min(memory.length, chunk.length - at);
      memory.set(chunk.subarray(at, at + length));
      at += length;
      goesOn = onread.callback(length, memory);
    }
    if (!goesOn) socket.pause();
  });
}

function present({ ca, cert, key }: ClientTls): ConnectionOptionsOfTls {
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  };
}
