/**
 * A way to the store through an HTTP proxy: CONNECT, and then the bytes of TLS, which the proxy passes on unread. Source: RFC 9110,
 * section 9.3.6.
 */
import { Buffer } from 'node:buffer';
import { connect, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { connect as connectTls } from 'node:tls';
import { MAX_BACKEND_HEAD_BYTES } from '../../limits.ts';
import { checkBegunHead, HEAD_END, headLength, parseHead } from './response-head.ts';

/** The proxy does not let the connection through, or is out of reach. */
export class ProxyFailure extends Error {
  readonly code = 'PROXY_FAILED';
}

export class ProxyTunnel extends Duplex {
  readonly #socket: Socket;
  /** The beginning of the proxy's answer; undefined once it let the connection through. */
  #answer: Buffer | undefined = Buffer.alloc(0);
  /** What waits to be written until then. */
  #begin: (() => void) | undefined;

  /** `proxy`: `http(s)://[user:password@]host[:port]`. */
  constructor(o: { proxy: URL; hostname: string; port: number }) {
    super({ allowHalfOpen: false });
    this.#socket = toProxy(o.proxy);
    this.#socket.once(o.proxy.protocol === 'https:' ? 'secureConnect' : 'connect', () => {
      this.#socket.write(request(o), 'latin1');
    });
    this.#socket.on('data', (bytes: Buffer) => this.#onData(bytes));
    this.#socket.on('end', () => {
      if (this.#answer === undefined) this.push(null);
      else this.destroy(new ProxyFailure('the proxy closed the connection'));
    });
    this.#socket.on('error', (error: NodeJS.ErrnoException) => {
      const isProxys = this.#answer !== undefined;
      this.destroy(isProxys ? new ProxyFailure(`the proxy is out of reach: ${error.code ?? error.message}`) : error);
    });
  }

  #onData(bytes: Buffer): void {
    if (this.#answer === undefined) {
      if (!this.push(bytes)) this.#socket.pause();
      return;
    }
    try {
      this.#readAnswer(Buffer.concat([this.#answer, bytes]));
    } catch (cause) {
      this.destroy(
        cause instanceof ProxyFailure ? cause : new ProxyFailure('the proxy does not speak HTTP', { cause }),
      );
    }
  }

  #readAnswer(answer: Buffer): void {
    this.#answer = answer;
    const length = headLength(answer);
    if (length > MAX_BACKEND_HEAD_BYTES || (length < 0 && answer.length > MAX_BACKEND_HEAD_BYTES)) {
      throw new ProxyFailure('the head of its answer is too long');
    }
    if (length < 0) {
      checkBegunHead(answer, 0);
      return;
    }
    const { status } = parseHead(answer.toString('latin1', 0, length - HEAD_END.length));
    if (status < 200 || status > 299) throw new ProxyFailure(`the proxy answers ${status}`);
    this.#answer = undefined;
    if (length < answer.length) this.push(answer.subarray(length));
    this.#begin?.();
    this.#begin = undefined;
  }

  override _read(): void {
    this.#socket.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    if (this.#answer === undefined) this.#socket.write(chunk, done);
    else this.#begin = () => this.#socket.write(chunk, done);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#socket.end(done);
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#socket.destroy();
    done(error);
  }
}

function toProxy(proxy: URL): Socket {
  const secure = proxy.protocol === 'https:';
  const host = proxy.hostname.replace(/^\[|\]$/g, '');
  const port = Number(proxy.port) || (secure ? 443 : 80);
  return secure ? connectTls({ host, port, servername: host, ALPNProtocols: ['http/1.1'] }) : connect({ host, port });
}

function request({ proxy, hostname, port }: { proxy: URL; hostname: string; port: number }): string {
  const authority = `${hostname.includes(':') ? `[${hostname}]` : hostname}:${port}`;
  const user = `${decodeURIComponent(proxy.username)}:${decodeURIComponent(proxy.password)}`;
  const credentials =
    proxy.username === '' ? '' : `proxy-authorization: Basic ${Buffer.from(user).toString('base64')}\r\n`;
  return `CONNECT ${authority} HTTP/1.1\r\nhost: ${authority}\r\n${credentials}\r\n`;
}
