/**
 * A process's end of its writer thread: mutations in, their results out, and the unlinking of blob files that a commit has
 * left without a reference. A failure of the thread fails everything that waits for it.
 */
import { unlink } from 'node:fs/promises';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { S3Error } from '../../errors.ts';
import { LOCAL_FORGET_DELAY_MS } from '../../limits.ts';
import { BackendUnavailable } from '../backend.ts';
import { blobPath } from './blob-path.ts';
import type { MutationArguments, MutationName, MutationResult } from './mutations/mutations.ts';
import type { FromWriter, Outcome, ToWriter } from './writer-protocol.ts';

/** The thread's module beside this one: TypeScript when run from source, JavaScript in the built package. */
const THREAD = new URL(`./writer-thread${extname(fileURLToPath(import.meta.url))}`, import.meta.url);

interface Waiting {
  resolve(result: unknown): void;
  reject(error: Error): void;
}

export class Writer {
  readonly #directory: string;
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  readonly #unlinking = new Set<Promise<void>>();
  #unlinked: string[] = [];
  #forgetting: NodeJS.Timeout | undefined;
  #failure: BackendUnavailable | undefined;
  #nextId = 1;
  #owner = '';

  /** @throws BackendUnavailable when the directory cannot be used, or holds something else. */
  static async open(directory: string): Promise<Writer> {
    const writer = new Writer(directory);
    await new Promise<void>((resolve, reject) => {
      writer.#worker.on('message', (message: FromWriter) => {
        if ('ready' in message) {
          writer.#owner = message.ready.owner;
          writer.#worker.unref();
          resolve();
        } else writer.#receive(message);
      });
      writer.#worker.on('error', (cause) => reject(writer.#fail(`its writer failed: ${cause.message}`, cause)));
      writer.#worker.on('exit', () => reject(writer.#fail('the local store is closed')));
    });
    return writer;
  }

  private constructor(directory: string) {
    this.#directory = directory;
    this.#worker = new Worker(THREAD, { workerData: { directory }, execArgv: [], name: 'store-writer' });
  }

  /** This process's name in the store. */
  get owner(): string {
    return this.#owner;
  }

  /**
   * Runs one mutation; its result arrives after its commit.
   * @throws S3Error when the mutation refused; nothing was changed.
   * @throws BackendUnavailable when it could not be committed.
   */
  run<Name extends MutationName>(
    name: Name,
    argument: MutationArguments<Name>,
    transfer: readonly ArrayBuffer[] = [],
    isEssential = false,
  ): Promise<MutationResult<Name>> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) throw this.#failure;
      const id = this.#nextId++;
      this.#waiting.set(id, { resolve: resolve as (result: unknown) => void, reject });
      this.#worker.ref();
      this.#worker.postMessage({ id, name, argument, isEssential } satisfies ToWriter, transfer);
    });
  }

  /** Ends the thread once everything sent so far is committed. */
  async close(): Promise<void> {
    if (this.#failure !== undefined) return;
    await Promise.all(this.#unlinking);
    clearTimeout(this.#forgetting);
    await this.#forget();
    const exited = new Promise((resolve) => this.#worker.once('exit', resolve));
    this.#worker.ref();
    this.#worker.postMessage({ close: true } satisfies ToWriter);
    await exited;
  }

  #receive(message: Exclude<FromWriter, { ready: unknown }>): void {
    if ('closed' in message) return;
    for (const outcome of message.outcomes) this.#settle(outcome);
    if (this.#waiting.size === 0) this.#worker.unref();
    for (const file of message.garbage) this.#unlink(file);
  }

  #settle(outcome: Outcome): void {
    const waiting = this.#waiting.get(outcome.id);
    this.#waiting.delete(outcome.id);
    if (waiting === undefined) return;
    if ('result' in outcome) waiting.resolve(outcome.result);
    else if ('refused' in outcome) {
      const { code, status, message, details } = outcome.refused;
      waiting.reject(new S3Error({ code, status }, message, { details }));
    } else {
      const full = outcome.isFull ? { transport: 'ENOSPC' } : {};
      waiting.reject(new BackendUnavailable(`the local store could not commit: ${outcome.failed}`, full));
    }
  }

  #fail(reason: string, cause?: Error): BackendUnavailable {
    this.#failure ??= new BackendUnavailable(reason, { cause });
    for (const { reject } of this.#waiting.values()) reject(this.#failure);
    this.#waiting.clear();
    return this.#failure;
  }

  /** A file that cannot be unlinked now stays recorded as garbage for the next opening of the store. */
  #unlink(file: string): void {
    const done = unlink(blobPath(this.#directory, file)).then(
      () => {
        this.#unlinked.push(file);
        this.#forgetting ??= setTimeout(() => void this.#forget(), LOCAL_FORGET_DELAY_MS).unref();
      },
      () => undefined,
    );
    this.#unlinking.add(done);
    void done.finally(() => this.#unlinking.delete(done));
  }

  async #forget(): Promise<void> {
    this.#forgetting = undefined;
    const files = this.#unlinked;
    if (files.length === 0) return;
    this.#unlinked = [];
    // Files that are not forgotten are unlinked once more at the next opening, which does no harm.
    await this.run('forgetGarbage', { files }).catch(() => undefined);
  }
}
