/**
 * The bytes of a client's request as they arrive. The 100 Continue that some clients wait for goes out when the first byte
 * is asked for, which is after authentication and authorisation. Stopping early leaves the socket open: the error reply
 * still has to go out on it.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { S3Error } from '../errors.ts';
import { UNREAD_BODY_LINGER_MS } from '../limits.ts';

export class IncomingBody {
  readonly #incoming: IncomingMessage;
  readonly #outgoing: ServerResponse;
  /** The client waits for 100 Continue and has not received it. */
  #waiting: boolean;
  /** The reply is sent, and nobody will read the rest of the body. */
  #dropped = false;
  #failure: S3Error | undefined;
  #received = 0;
  /** Rejects the reading under way. */
  #giveUp: ((failure: S3Error) => void) | undefined;

  constructor(incoming: IncomingMessage, outgoing: ServerResponse, o: { expectsContinue: boolean }) {
    this.#incoming = incoming;
    this.#outgoing = outgoing;
    this.#waiting = o.expectsContinue;
  }

  /** Bytes that were read. */
  get received(): number {
    return this.#received;
  }

  /** Single use. @throws S3Error IncompleteBody when the client goes away before the body's end. */
  async *chunks(): AsyncGenerator<Buffer> {
    if (this.#waiting) {
      this.#waiting = false;
      this.#outgoing.writeContinue();
    }
    const iterator = this.#incoming.iterator({ destroyOnReturn: false }) as AsyncIterator<Buffer>;
    try {
      for (let step = await this.#next(iterator); step.done !== true; step = await this.#next(iterator)) {
        this.#received += step.value.length;
        yield step.value;
      }
    } catch (cause) {
      throw this.#failure ?? new S3Error('IncompleteBody', undefined, { cause });
    } finally {
      // After a failure the iterator may wait for bytes that never come, and would end only when they do.
      if (this.#failure === undefined) await iterator.return?.();
      // A reader that was stopped while it waited for bytes releases the request only now.
      if (this.#dropped) this.#incoming.resume();
    }
    if (!this.#incoming.complete) throw new S3Error('IncompleteBody');
  }

  #next(iterator: AsyncIterator<Buffer>): Promise<IteratorResult<Buffer>> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      this.#giveUp = reject;
      iterator.next().then(resolve, reject);
    });
  }

  /** Ends the body with `failure`. A reader fails now, or when it asks for more bytes. */
  fail(failure: S3Error): void {
    if (this.#incoming.complete || this.#failure !== undefined) return;
    this.#failure = failure;
    this.#giveUp?.(failure);
  }

  /**
   * Called before a reply's head goes out. A client still waiting for 100 Continue will not send its body, so the connection
   * cannot carry another request. One that is still sending is read and ignored for a while, so that it sees the reply
   * instead of a reset, and is then cut.
   */
  settle(): void {
    if (this.#waiting || this.#failure !== undefined) {
      if (!this.#outgoing.headersSent) this.#outgoing.setHeader('Connection', 'close');
      return;
    }
    if (this.#incoming.complete) return;
    this.#outgoing.once('finish', () => {
      if (this.#incoming.complete) return;
      this.#dropped = true;
      this.#incoming.resume();
      const linger = setTimeout(() => this.#incoming.socket.destroy(), UNREAD_BODY_LINGER_MS);
      this.#incoming.once('close', () => clearTimeout(linger));
      this.#incoming.once('end', () => clearTimeout(linger));
    });
  }
}
