/**
 * Sends a request body with back-pressure and holds the promise that makes a failed upload harmless: the chunk that would
 * complete Content-Length leaves only after the source has ended without an error. Until then a store has nothing that
 * it could commit, whatever verification the source still had to do.
 */
import { WRITE_AHEAD_BYTES } from '../../limits.ts';
import type { BackendBody } from '../backend.ts';
import type { Connection } from './connection.ts';

export class RequestBody {
  readonly length: number;
  readonly #source: AsyncIterable<Buffer> | undefined;
  readonly #whole: Buffer | undefined;
  #iterator: AsyncIterator<Buffer> | undefined;
  #wake: (() => void) | undefined;
  #stopped = false;
  #complete = false;
  #waiting = false;

  constructor(body: BackendBody) {
    this.length = body.length;
    if (Buffer.isBuffer(body)) this.#whole = body;
    else this.#source = body.chunks;
  }

  /** A body that nobody has read from can be sent again. */
  get repeatable(): boolean {
    return this.#whole !== undefined || this.#iterator === undefined;
  }

  /** Every byte has been handed to the connection. */
  get complete(): boolean {
    return this.#complete;
  }

  /** The source, not the connection, is what is slow at the moment. */
  get waitingForSource(): boolean {
    return this.#waiting;
  }

  /**
   * Sends the body: at once if it is at hand, else for as long as the promise is pending. It resolves early, with the body
   * unfinished, once `stop` was called.
   * @throws what the source throws; a TypeError when the source's length is not the one announced.
   */
  send(connection: Connection): Promise<void> | undefined {
    this.#stopped = false;
    if (this.#whole === undefined) return this.#pump(connection);
    this.#complete = true;
    if (this.#whole.length > 0) connection.write(this.#whole);
    return undefined;
  }

  /** The connection takes more. */
  drained(): void {
    this.#wake?.();
  }

  /** Stops sending; tells the source that no more will be read. */
  stop(): void {
    if (this.#stopped || this.#complete) return;
    this.#stopped = true;
    this.#wake?.();
    // A generator in the middle of a step finishes that step first. Nobody waits for it.
    this.#iterator?.return?.().then(undefined, () => undefined);
  }

  async #pump(connection: Connection): Promise<void> {
    let left = this.length;
    let last: Buffer | undefined;
    for (;;) {
      const step = await this.#next();
      if (this.#stopped) return;
      if (step.done === true) break;
      if (step.value.length === 0) continue;
      left -= step.value.length;
      if (left < 0) throw new TypeError(`A request body is longer than the ${this.length} bytes announced`);
      if (left === 0) last = step.value;
      // Pieces that are at hand together leave in one system call; node's own mark would send each by itself.
      else if (!connection.write(step.value) && connection.unsentBytes >= WRITE_AHEAD_BYTES) await this.#untilDrained();
      if (this.#stopped) return;
    }
    if (left !== 0) throw new TypeError(`A request body is ${left} bytes shorter than the ${this.length} announced`);
    this.#complete = true;
    if (last !== undefined) connection.write(last);
  }

  async #next(): Promise<IteratorResult<Buffer>> {
    this.#iterator ??= (this.#source as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
    this.#waiting = true;
    try {
      return await this.#iterator.next();
    } finally {
      this.#waiting = false;
    }
  }

  #untilDrained(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = () => {
        this.#wake = undefined;
        resolve();
      };
    });
  }
}
