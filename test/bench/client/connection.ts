/**
 * One kept connection of the load generator, on a bare socket: requests are bytes made beforehand, replies are read into one
 * buffer that is used again. What the generator costs is taken from what is measured, so it does nothing else.
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { type ReplyHead, ReplyParser } from './reply-parser.ts';

export interface Address {
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
  /** PEM of the authority to trust instead of the built-in ones. */
  readonly ca?: string;
}

export interface Exchange {
  /** The request, head first. Large pieces are not copied. */
  readonly send: readonly Buffer[];
  readonly isHead?: boolean;
  /** The bytes are valid during the call only. */
  readonly onBody?: (piece: Buffer, offset: number) => void;
}

export interface Answer extends ReplyHead {
  readonly bytes: number;
}

const READ_BUFFER_BYTES = 256 * 1024;
/** Milliseconds without a byte before an exchange counts as failed. */
const SILENCE_MS = 60_000;

interface Waiting {
  readonly onBody: Exchange['onBody'];
  resolve(answer: Answer): void;
  reject(error: Error): void;
}

export class Connection {
  readonly #address: Address;
  #socket: Socket | undefined;
  #parser: ReplyParser;
  #waiting: Waiting | undefined;

  constructor(address: Address) {
    this.#address = address;
    this.#parser = this.#newParser();
  }

  /** @throws Error when the connection ends before the reply does. */
  exchange(o: Exchange): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (this.#waiting !== undefined) throw new Error('a connection takes one request at a time');
      this.#waiting = { onBody: o.onBody, resolve, reject };
      const socket = this.#socket ?? this.#open();
      this.#parser.expect({ isHead: o.isHead === true });
      const [only] = o.send;
      if (only !== undefined && o.send.length === 1) {
        socket.write(only);
        return;
      }
      socket.cork();
      for (const piece of o.send) socket.write(piece);
      socket.uncork();
    });
  }

  /** Connects, TLS handshake included, before anything is measured. @throws Error when that fails. */
  async open(): Promise<void> {
    if (this.#socket === undefined) await once(this.#open(), this.#address.tls ? 'secureConnect' : 'connect');
  }

  close(): void {
    this.#socket?.destroy();
    this.#socket = undefined;
  }

  #open(): Socket {
    const { host, port, tls, ca } = this.#address;
    const read = (data: Buffer) => {
      try {
        this.#parser.push(data);
      } catch (error) {
        this.#fail(socket, error as Error);
      }
    };
    const buffer = Buffer.allocUnsafeSlow(READ_BUFFER_BYTES);
    const callback = (bytes: number) => {
      read(buffer.subarray(0, bytes));
      return true;
    };
    const socket = tls
      ? connectTls({ host, port, ...(ca === undefined ? {} : { ca }) }).on('data', read)
      : connect({ host, port, noDelay: true, onread: { buffer, callback } });
    socket.setNoDelay(true);
    socket.setTimeout(SILENCE_MS, () => this.#fail(socket, new Error('no byte for too long')));
    socket.on('error', (error) => this.#fail(socket, error));
    socket.on('close', () => this.#fail(socket, new Error('the connection was closed in the middle')));
    this.#parser = this.#newParser();
    this.#socket = socket;
    return socket;
  }

  #newParser(): ReplyParser {
    return new ReplyParser({
      onBody: (piece, offset) => this.#waiting?.onBody?.(piece, offset),
      onEnd: (head, bytes) => {
        const waiting = this.#waiting;
        this.#waiting = undefined;
        if (head.headers.get('connection')?.toLowerCase() === 'close') this.close();
        waiting?.resolve({ ...head, bytes });
      },
    });
  }

  #fail(socket: Socket, error: Error): void {
    socket.destroy();
    if (this.#socket !== socket) return;
    this.#socket = undefined;
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.reject(error);
  }
}
