/**
 * Computes the MD5 of large bodies on separate threads. The MD5 is the ETag of every object, and takes more time than everything
 * else that storing a body needs. On another core it runs beside the rest. Threads and shared memory are bounded: for a body beyond
 * the bounds the MD5 is computed where the body is read. Some time after the last large body, threads and memory are released.
 */
import { availableParallelism } from 'node:os';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { MD5_BLOCK_BYTES, MD5_BLOCKS, MD5_IDLE_MS, MD5_SPARE_STREAMS, MD5_STREAMS, MD5_THREADS } from '../limits.ts';
import type { FromMd5Thread, ToMd5Thread } from './md5-protocol.ts';
import { ThreadedMd5 } from './threaded-md5.ts';

/** The thread's module beside this one: TypeScript when run from source, JavaScript in the built package. */
const ENTRY = new URL(`./md5-thread${extname(fileURLToPath(import.meta.url))}`, import.meta.url);

export interface Md5ThreadsOptions {
  readonly threads: number;
  /** Streams at once; each takes MD5_BLOCKS blocks. */
  readonly streams: number;
  /** Milliseconds without a stream after which the threads end; MD5_IDLE_MS by default. */
  readonly idleMs?: number;
  readonly entry?: URL;
}

interface Thread {
  readonly worker: Worker;
  readonly streams: Map<number, ThreadedMd5>;
  hasWorked: boolean;
}

export class Md5Threads {
  readonly #options: Md5ThreadsOptions;
  readonly #threads: Thread[] = [];
  readonly #spare: (readonly SharedArrayBuffer[])[] = [];
  #lent = 0;
  #nextId = 1;
  #idle: NodeJS.Timeout | undefined;
  /** A thread failed to start. No further ones are tried. */
  #broken = false;

  constructor(o: Md5ThreadsOptions) {
    this.#options = o;
  }

  /** Streams that hold blocks at the moment. */
  get lent(): number {
    return this.#lent;
  }

  /** Threads that run. */
  get running(): number {
    return this.#threads.length;
  }

  /**
   * Opens a stream on the thread that has the fewest. `undefined` when the bounds are reached. The caller must call its `close`.
   */
  open(): ThreadedMd5 | undefined {
    if (this.#broken || this.#options.threads < 1 || this.#lent >= this.#options.streams) return undefined;
    clearTimeout(this.#idle);
    const thread = this.#leastBusy();
    const id = this.#nextId++;
    const blocks = this.#spare.pop() ?? newBlocks();
    const post = (message: ToMd5Thread) => thread.worker.postMessage(message);
    const stream = new ThreadedMd5({ id, blocks, post });
    this.#lent += 1;
    thread.streams.set(id, stream);
    post({ id, blocks });
    return stream;
  }

  /** Ends the threads; streams under way fail. */
  async close(): Promise<void> {
    clearTimeout(this.#idle);
    this.#spare.length = 0;
    // The threads leave the list at once, so that the next body gets a new one.
    await Promise.all(this.#threads.splice(0).map(({ worker }) => worker.terminate()));
  }

  #leastBusy(): Thread {
    if (this.#threads.length < this.#options.threads && this.#threads.every(({ streams }) => streams.size > 0)) {
      return this.#start();
    }
    return this.#threads.reduce((least, thread) => (thread.streams.size < least.streams.size ? thread : least));
  }

  #start(): Thread {
    const worker = new Worker(this.#options.entry ?? ENTRY, { execArgv: [], env: {}, name: 'md5' });
    const thread: Thread = { worker, streams: new Map(), hasWorked: false };
    worker.on('message', (message: FromMd5Thread) => this.#take(thread, message));
    let cause: unknown;
    worker.on('error', (error) => {
      cause = error;
    });
    worker.on('exit', () => this.#ended(thread, cause));
    // Only bodies wait for the thread, and their connections keep the process alive. A listener for messages would hold the process
    // again, so `unref` comes after it.
    worker.unref();
    this.#threads.push(thread);
    return thread;
  }

  #take(thread: Thread, message: FromMd5Thread): void {
    thread.hasWorked = true;
    const stream = thread.streams.get(message.id);
    if (stream === undefined) throw new Error('an MD5 thread speaks of a stream that it does not have');
    if ('free' in message) {
      stream.freed(message.free);
      return;
    }
    thread.streams.delete(message.id);
    this.#giveBack(1);
    if (this.#spare.length < MD5_SPARE_STREAMS) this.#spare.push(stream.blocks);
    stream.ended(message.md5);
  }

  #giveBack(streams: number): void {
    this.#lent -= streams;
    if (this.#lent > 0 || streams === 0) return;
    this.#idle = setTimeout(() => void this.close(), this.#options.idleMs ?? MD5_IDLE_MS).unref();
  }

  #ended(thread: Thread, cause: unknown): void {
    const index = this.#threads.indexOf(thread);
    if (index >= 0) this.#threads.splice(index, 1);
    if (!thread.hasWorked) this.#broken = true;
    this.#giveBack(thread.streams.size);
    for (const stream of thread.streams.values()) stream.failed(new Error('an MD5 thread ended', { cause }));
  }
}

function newBlocks(): readonly SharedArrayBuffer[] {
  return Array.from({ length: MD5_BLOCKS }, () => new SharedArrayBuffer(MD5_BLOCK_BYTES));
}

/** The threads of this process. They start with the first large body. There is at most one less than there are cores. */
export const md5Threads = new Md5Threads({
  threads: Math.min(MD5_THREADS, availableParallelism() - 1),
  streams: MD5_STREAMS,
});
