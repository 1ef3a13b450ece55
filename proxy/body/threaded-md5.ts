/**
 * The MD5 of one stream, computed on a thread. The stream's bytes are gathered in blocks of shared memory; a full one is read by
 * the thread and by whoever stores the body at the same time, and filled again when both are done with it.
 */
import { Buffer } from 'node:buffer';
import type { ToMd5Thread } from './md5-protocol.ts';

const NOTHING = Buffer.alloc(0);

export class ThreadedMd5 {
  readonly blocks: readonly SharedArrayBuffer[];
  readonly #id: number;
  readonly #post: (message: ToMd5Thread) => void;
  readonly #memory: readonly Buffer[];
  /** Blocks that the thread does not have. */
  readonly #free: number[];
  /** The one that is being filled. */
  #current: number | undefined;
  #filled = 0;
  #endSent = false;
  #wake: (() => void) | undefined;
  #md5: Buffer | undefined;
  #failure: Error | undefined;

  constructor(o: { id: number; blocks: readonly SharedArrayBuffer[]; post: (message: ToMd5Thread) => void }) {
    this.#id = o.id;
    this.blocks = o.blocks;
    this.#post = o.post;
    this.#memory = o.blocks.map((block) => Buffer.from(block));
    this.#free = o.blocks.map((_, index) => index);
    this.#current = this.#free.pop();
  }

  /** The block that is being filled is full: it must be handed over. */
  get isFull(): boolean {
    return this.#filled === this.#block().length;
  }

  /** Copies as much of `data`, from `at` on, as there is room for. @returns how many bytes */
  fill(data: Buffer, at: number): number {
    const block = this.#block();
    const bytes = Math.min(data.length - at, block.length - this.#filled);
    // `fill` is a plain memcpy. `copy` and `set` take twice as long into shared memory, because they allow for other readers.
    if (bytes > 0) block.fill(data.subarray(at, at + bytes), this.#filled, this.#filled + bytes);
    this.#filled += bytes;
    return bytes;
  }

  /** Hands the gathered bytes to the thread. @returns the same bytes; valid until `ready` is called */
  hand(): Buffer {
    const { block, bytes } = { block: this.#current, bytes: this.#filled };
    if (block === undefined || bytes === 0) return NOTHING;
    const filled = this.#block().subarray(0, bytes);
    this.#post({ id: this.#id, block, bytes });
    this.#current = undefined;
    this.#filled = 0;
    return filled;
  }

  /** Waits for a block that can be filled. @throws Error when the thread has ended. */
  async ready(): Promise<void> {
    this.#throwIfFailed();
    while (this.#free.length === 0) await this.#heard();
    this.#current ??= this.#free.pop();
  }

  /** 16 bytes, once everything was handed over. @throws Error when the thread has ended. */
  async digest(): Promise<Buffer> {
    this.#throwIfFailed();
    this.close();
    while (this.#md5 === undefined) await this.#heard();
    return this.#md5;
  }

  /** Call it in every case. The thread then forgets the stream, and its blocks serve others. */
  close(): void {
    if (this.#endSent || this.#failure !== undefined) return;
    this.#endSent = true;
    this.#post({ id: this.#id, end: true });
  }

  /** The thread is done with a block. */
  freed(block: number): void {
    this.#free.push(block);
    this.#wake?.();
  }

  ended(md5: Uint8Array): void {
    this.#md5 = Buffer.from(md5);
    this.#wake?.();
  }

  failed(cause: Error): void {
    this.#failure = cause;
    this.#wake?.();
  }

  #block(): Buffer {
    const memory = this.#current === undefined ? undefined : this.#memory[this.#current];
    if (memory === undefined) throw new Error('a block is used before it is there');
    return memory;
  }

  /** Resolves with the thread's next message. @throws Error when the thread has ended. */
  async #heard(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    this.#throwIfFailed();
  }

  #throwIfFailed(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }
}
