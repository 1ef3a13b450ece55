/**
 * Sends a request body with back-pressure and holds the promise that makes a failed upload harmless: the chunk that would
 * complete Content-Length leaves only after the source has ended without an error. Until then a store has nothing that
 * it could commit, whatever verification the source still had to do.
 */
import type { ClientRequest } from 'node:http';
import { WRITE_AHEAD_BYTES } from '../../limits.ts';
import type { BackendBody } from '../backend.ts';

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
   * Sends the body and ends the request. Resolves early, with the request unfinished, once `stop` was called.
   * @throws what the source throws; a TypeError when the source's length is not the one announced.
   */
  async send(request: ClientRequest): Promise<void> {
    this.#stopped = false;
    if (this.#whole !== undefined) {
      this.#complete = true;
      request.end(this.#whole);
      return;
    }
    const onDrain = () => this.#wake?.();
    request.on('drain', onDrain);
    try {
      await this.#pump(request);
    } finally {
      request.off('drain', onDrain);
    }
  }

  /** Stops sending; tells the source that no more will be read. */
  stop(): void {
    if (this.#stopped || this.#complete) return;
    this.#stopped = true;
    this.#wake?.();
    // A generator that is in the middle of a step finishes it first: nobody waits for that.
    this.#iterator?.return?.().then(undefined, () => undefined);
  }

  async #pump(request: ClientRequest): Promise<void> {
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
      else if (!request.write(step.value) && request.writableLength >= WRITE_AHEAD_BYTES) await this.#drained();
      if (this.#stopped) return;
    }
    if (left !== 0) throw new TypeError(`A request body is ${left} bytes shorter than the ${this.length} announced`);
    this.#complete = true;
    request.end(last);
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

  #drained(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = () => {
        this.#wake = undefined;
        resolve();
      };
    });
  }
}
