/**
 * Request bodies that do not move. A client that sends a byte now and then keeps its connection from being idle, and with it
 * whatever its request holds; so a body must bring a minimum of bytes in every window of time in which the proxy waits for it.
 * Time in which the backend is what is slow does not count. One timer looks after all bodies of a process.
 */
import type { IncomingMessage } from 'node:http';
import { BODY_PROGRESS_BYTES, BODY_PROGRESS_CHECK_MS, BODY_PROGRESS_WINDOW_MS } from '../limits.ts';

interface Watched {
  /** Bytes of the connection when the window began. */
  bytes: number;
  /** When the window began, milliseconds of a monotonic clock. */
  since: number;
}

export class BodyProgress {
  readonly #bytes: number;
  readonly #windowMs: number;
  readonly #checkMs: number;
  readonly #watched = new Map<IncomingMessage, Watched>();
  #timer: NodeJS.Timeout | undefined;

  constructor(o: { bytes?: number; windowMs?: number; checkMs?: number } = {}) {
    this.#bytes = o.bytes ?? BODY_PROGRESS_BYTES;
    this.#windowMs = o.windowMs ?? BODY_PROGRESS_WINDOW_MS;
    this.#checkMs = o.checkMs ?? BODY_PROGRESS_CHECK_MS;
  }

  /** Until its body has ended or its connection is closed. One that stalls is destroyed, and its reader told so. */
  watch(incoming: IncomingMessage): void {
    const { 'content-length': length, 'transfer-encoding': encoding } = incoming.headers;
    if (encoding === undefined && (length === undefined || length === '0')) return;
    this.#watched.set(incoming, { bytes: incoming.socket.bytesRead, since: performance.now() });
    const forget = () => this.#forget(incoming);
    incoming.once('end', forget);
    incoming.once('close', forget);
    this.#timer ??= setInterval(() => this.#check(), this.#checkMs).unref();
  }

  #check(): void {
    const now = performance.now();
    for (const [incoming, watched] of this.#watched) {
      const { bytesRead } = incoming.socket;
      if (!isWaitedFor(incoming) || bytesRead - watched.bytes >= this.#bytes) {
        watched.bytes = bytesRead;
        watched.since = now;
      } else if (now - watched.since >= this.#windowMs) {
        this.#forget(incoming);
        incoming.destroy(new Error('the body came too slowly'));
      }
    }
  }

  #forget(incoming: IncomingMessage): void {
    this.#watched.delete(incoming);
    if (this.#watched.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}

/** Somebody reads it, and has taken all that came. */
function isWaitedFor(incoming: IncomingMessage): boolean {
  const isRead = incoming.readableFlowing === true || incoming.listenerCount('readable') > 0;
  return isRead && incoming.readableLength === 0;
}
