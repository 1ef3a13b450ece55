/** One stream of chunks handed out as consecutive stretches of known length, without copying. */
export class SplitSource {
  readonly #iterator: AsyncIterator<Buffer>;
  #rest: Buffer = Buffer.alloc(0);

  constructor(source: AsyncIterable<Buffer>) {
    this.#iterator = source[Symbol.asyncIterator]();
  }

  /** The next `bytes` bytes; ends early when the source does, which its reader has to notice. */
  async *take(bytes: number): AsyncGenerator<Buffer> {
    let left = bytes;
    while (left > 0) {
      if (this.#rest.length === 0) {
        const step = await this.#iterator.next();
        if (step.done === true) return;
        this.#rest = step.value;
      }
      const piece = this.#rest.subarray(0, left);
      this.#rest = this.#rest.subarray(piece.length);
      left -= piece.length;
      if (piece.length > 0) yield piece;
    }
  }

  /** Reads on, without keeping anything: each piece of the next `bytes` bytes is shown to `look`. Ends early as `take` does. */
  async skip(bytes: number, look: (piece: Buffer) => void): Promise<void> {
    for await (const piece of this.take(bytes)) look(piece);
  }

  /** Reads the source to its end, so that its connection can serve again; or until it has brought more than `maxBytes`. */
  async drain(o: { maxBytes?: number } = {}): Promise<void> {
    let left = (o.maxBytes ?? Number.POSITIVE_INFINITY) - this.#rest.length;
    this.#rest = Buffer.alloc(0);
    while (left >= 0) {
      const step = await this.#iterator.next();
      if (step.done === true) return;
      left -= step.value.length;
    }
  }

  async close(): Promise<void> {
    await this.#iterator.return?.();
  }
}
