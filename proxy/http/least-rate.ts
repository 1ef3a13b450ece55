/**
 * Ends transfers that do not move. A client that sends or reads one byte now and then keeps its connection from being idle, and so
 * holds everything that its request holds. Therefore a body must bring a minimum of bytes in every window of time in which the
 * proxy waits for the client, and a client must take a reply at such a rate. Time in which the backend is slow does not count. One
 * timer watches all transfers of a kind.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { CONNECTION_CHECK_MS } from '../limits.ts';

export interface Transfer {
  /** Bytes so far. */
  moved(): number;
  /** Whether the transfer waits for the client now. */
  isWaitedFor(): boolean;
  /** Called once, when the transfer has come to a standstill. The transfer is not watched any more. */
  stop(): void;
}

interface Window {
  /** Bytes of the transfer when the window began. */
  bytes: number;
  /** When it began, milliseconds of a monotonic clock. */
  since: number;
}

export interface LeastRateOptions {
  readonly bytes: number;
  /** The window in milliseconds. Asked for at every check. */
  readonly windowMs: () => number;
  readonly checkMs?: number;
}

export class LeastRate {
  readonly #bytes: number;
  readonly #windowMs: () => number;
  readonly #checkMs: number;
  readonly #windows = new Map<Transfer, Window>();
  #timer: NodeJS.Timeout | undefined;

  constructor(o: LeastRateOptions) {
    this.#bytes = o.bytes;
    this.#windowMs = o.windowMs;
    this.#checkMs = o.checkMs ?? CONNECTION_CHECK_MS;
  }

  /** Watches the transfer until it is stopped, or until the returned function is called. */
  watch(transfer: Transfer): () => void {
    this.#windows.set(transfer, { bytes: transfer.moved(), since: performance.now() });
    this.#timer ??= setInterval(() => this.#check(), this.#checkMs).unref();
    return () => this.#forget(transfer);
  }

  #check(): void {
    const now = performance.now();
    const windowMs = this.#windowMs();
    for (const [transfer, window] of this.#windows) {
      const moved = transfer.moved();
      if (!transfer.isWaitedFor() || moved - window.bytes >= this.#bytes) {
        window.bytes = moved;
        window.since = now;
      } else if (now - window.since >= windowMs) {
        this.#forget(transfer);
        transfer.stop();
      }
    }
  }

  #forget(transfer: Transfer): void {
    this.#windows.delete(transfer);
    if (this.#windows.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}

/** Watches a request's body until it has ended or its connection is closed. */
export function watchBody(rate: LeastRate, incoming: IncomingMessage, stop: () => void): void {
  const { 'content-length': length, 'transfer-encoding': encoding } = incoming.headers;
  if (encoding === undefined && (length === undefined || length === '0')) return;
  const forget = rate.watch({
    moved: () => incoming.socket.bytesRead,
    isWaitedFor: () => isReadDry(incoming),
    stop,
  });
  incoming.once('end', forget);
  incoming.once('close', forget);
}

/** Watches a reply until the operating system has all of it. `sent`: bytes that it has taken of the connection. */
export function watchReply(
  rate: LeastRate,
  outgoing: ServerResponse,
  o: { sent: () => number; stop: () => void },
): void {
  const forget = rate.watch({ moved: o.sent, isWaitedFor: () => outgoing.writableLength > 0, stop: o.stop });
  outgoing.once('close', forget);
}

/** Somebody reads the body and has taken everything that arrived. */
function isReadDry(incoming: IncomingMessage): boolean {
  const isRead = incoming.readableFlowing === true || incoming.listenerCount('readable') > 0;
  return isRead && incoming.readableLength === 0;
}
