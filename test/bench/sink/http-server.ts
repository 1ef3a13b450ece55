/**
 * HTTP/1.1 on bare sockets for the sink. node:http costs several times as much for each request, and what the sink costs
 * is taken from what is measured: both share the machine's cores.
 */
import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type SecureContextOptions } from 'node:tls';
import { type BodyReader, bodyReader } from './body-reader.ts';
import { parseRequest, type SinkRequest } from './request.ts';

export interface SinkReply {
  readonly status: number;
  /** Header lines, each with its line end; without Content-Length. */
  readonly headers?: string;
  readonly body?: readonly Buffer[];
  /** Content-Length of a reply to HEAD, whose body is not sent. */
  readonly length?: number;
}

export interface SinkHandler {
  /** Whether the request's body must be handed to `reply`. */
  keeps(request: SinkRequest): boolean;
  reply(request: SinkRequest, body: { bytes: number; pieces: readonly Buffer[] }): SinkReply | Promise<SinkReply>;
}

/** Bytes of a request's head. */
const MAX_HEAD_BYTES = 64 * 1024;
/** Up to this many bytes a reply is joined into one buffer, so that it is one write. */
const JOINED_REPLY_BYTES = 64 * 1024;
const CONTINUE = Buffer.from('HTTP/1.1 100 Continue\r\n\r\n');

export function createSinkServer(handler: SinkHandler, tls?: SecureContextOptions): Server {
  const accept = (socket: Socket) => {
    socket.setNoDelay(true);
    new SinkConnection(socket, handler);
  };
  return tls === undefined ? createServer(accept) : createTlsServer(tls, accept);
}

class SinkConnection {
  readonly #socket: Socket;
  readonly #handler: SinkHandler;
  #head: Buffer = Buffer.alloc(0);
  #current: { request: SinkRequest; body: BodyReader } | undefined;
  /** A reply is being made: what arrives meanwhile waits in `#head`. */
  #isBusy = false;

  constructor(socket: Socket, handler: SinkHandler) {
    this.#socket = socket;
    this.#handler = handler;
    socket.on('error', () => socket.destroy());
    socket.on('data', (data) => {
      try {
        this.#read(data);
      } catch {
        socket.end('HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
      }
    });
  }

  #read(data: Buffer): void {
    let at = 0;
    if (this.#current === undefined || this.#isBusy) {
      const start = this.#head.length === 0 ? data : Buffer.concat([this.#head, data]);
      this.#head = start;
      if (this.#isBusy || !this.#readHead()) return;
      at = start.length - this.#head.length;
      data = start;
      this.#head = Buffer.alloc(0);
    }
    const { request, body } = this.#current ?? {};
    if (request === undefined || body === undefined) return;
    at += body.take(data, at);
    if (!body.done) return;
    this.#head = data.subarray(at);
    this.#answer(request, body);
  }

  /** Whether a whole head was there; then it is gone from `#head`. */
  #readHead(): boolean {
    const end = this.#head.indexOf('\r\n\r\n');
    if (end < 0) {
      if (this.#head.length > MAX_HEAD_BYTES) throw new Error('the head is too long');
      return false;
    }
    const request = parseRequest(this.#head.toString('latin1', 0, end));
    const body = bodyReader(request.headers, { keep: this.#handler.keeps(request) });
    this.#current = { request, body };
    this.#head = this.#head.subarray(end + 4);
    if (request.headers.get('expect')?.toLowerCase() === '100-continue') this.#socket.write(CONTINUE);
    return true;
  }

  #answer(request: SinkRequest, body: BodyReader): void {
    this.#isBusy = true;
    const reply = this.#handler.reply(request, body);
    if (reply instanceof Promise) reply.then((made) => this.#send(made)).catch(() => this.#socket.destroy());
    else this.#send(reply);
  }

  #send(reply: SinkReply): void {
    this.#isBusy = false;
    this.#current = undefined;
    if (this.#socket.destroyed) return;
    const { body = [] } = reply;
    const bytes = body.reduce((sum, piece) => sum + piece.length, 0);
    const hasLength = reply.status !== 204 && reply.status !== 304;
    const length = hasLength ? `content-length: ${reply.length ?? bytes}\r\n` : '';
    const head = `HTTP/1.1 ${reply.status} ${reply.status < 300 ? 'OK' : 'Refused'}\r\n${reply.headers ?? ''}${length}\r\n`;
    if (bytes <= JOINED_REPLY_BYTES) this.#socket.write(Buffer.concat([Buffer.from(head, 'latin1'), ...body]));
    else {
      this.#socket.cork();
      this.#socket.write(head, 'latin1');
      for (const piece of body) this.#socket.write(piece);
      this.#socket.uncork();
    }
    if (this.#head.length > 0) {
      const waiting = this.#head;
      this.#head = Buffer.alloc(0);
      this.#socket.emit('data', waiting);
    }
  }
}
