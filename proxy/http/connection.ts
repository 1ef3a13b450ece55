/**
 * One client connection from the moment it is accepted: what it is doing, since when, and how many bytes have gone over it.
 */
import type { Socket } from 'node:net';
import type { S3Error } from '../errors.ts';
import { plainAddress } from './addresses.ts';

/**
 * `address`: the PROXY header is awaited. `handshake`: of TLS. `head`: the head of a request is arriving, or the first one is
 * awaited. `request`: at least one request is under way. `idle`: between requests. `closing`: everything was said; what still
 * arrives is ignored.
 */
export type Phase = 'address' | 'handshake' | 'head' | 'request' | 'idle' | 'closing';

export class Connection {
  /** As accepted. */
  readonly raw: Socket;
  /** The socket that requests come on: the accepted one, or TLS upon it. */
  socket: Socket;
  /** The other end of the accepted socket; undefined when it was gone before it was looked at. */
  readonly peer: string | undefined;
  /** Where the connection comes from: its peer, or what the PROXY header says. */
  client: string | undefined;
  /** The connection was opened beyond the limit. Its first request is told so. */
  readonly isExcess: boolean;
  /** The refusal that is sent when the requests under way are answered. The connection closes then. */
  refusal: S3Error | undefined;
  #phase: Phase;
  #since: number;
  #receivedBefore: number;
  #requests = 0;
  readonly #onBroken = new Set<() => void>();

  constructor(raw: Socket, o: { phase: 'address' | 'handshake' | 'head'; isExcess: boolean; now: number }) {
    this.raw = raw;
    this.socket = raw;
    this.peer = plainAddress(raw.remoteAddress ?? '');
    this.client = this.peer;
    this.isExcess = o.isExcess;
    this.#phase = o.phase;
    this.#since = o.now;
    this.#receivedBefore = handedOver(raw);
  }

  get phase(): Phase {
    return this.#phase;
  }

  /** Requests whose replies are not out. */
  get requests(): number {
    return this.#requests;
  }

  enter(phase: Phase, now: number): void {
    this.#phase = phase;
    this.#since = now;
    this.#receivedBefore = handedOver(this.socket);
  }

  /** Milliseconds in this phase. */
  age(now: number): number {
    return now - this.#since;
  }

  /** Whether the client sent anything in this phase; over TLS, anything that is not TLS's own. */
  get hasReceived(): boolean {
    return this.socket.bytesRead > this.#receivedBefore;
  }

  /** Bytes that the operating system has taken so far, below TLS: a queue in this process is not sent. It holds a few megabytes itself at most, for a client with a fast line. */
  get sent(): number {
    const { bytesWritten = 0, writeQueueSize = 0 } = (this.raw as WithHandle)._handle ?? {};
    return bytesWritten - writeQueueSize;
  }

  /** A request has come. */
  begin(now: number): void {
    this.#requests += 1;
    this.enter('request', now);
  }

  /** Its reply is out, or will never be. */
  end(now: number): void {
    this.#requests -= 1;
    if (this.#requests === 0 && this.#phase === 'request') this.enter('idle', now);
  }

  /** `broken` is called when no more of any body can come on it. Returns how to take that back. */
  onBroken(broken: () => void): () => void {
    this.#onBroken.add(broken);
    return () => void this.#onBroken.delete(broken);
  }

  /** The client sent something that is not HTTP, or has closed its side. */
  break(): void {
    for (const broken of this.#onBroken) broken();
  }

  destroy(): void {
    this.socket.destroy();
    this.raw.destroy();
  }
}

/** Bytes that came and were taken; what stands in the socket's own buffer is still to come. */
function handedOver({ bytesRead, readableLength }: Socket): number {
  return bytesRead - readableLength;
}

/** Node shows the bytes of a write that are still queued, below TLS, only on the handle (test/proxy/http/connection.test.ts). */
type WithHandle = Socket & {
  readonly _handle?: { readonly bytesWritten?: number; readonly writeQueueSize?: number } | null;
};
