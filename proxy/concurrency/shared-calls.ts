/**
 * Calls of the same name share one run: a burst of first requests of one tenant costs one fetch and one key derivation
 * (docs/architecture.md, keyring cache). A caller that gives up leaves the others alone; when all have, the run is aborted.
 */

export interface SharedRun {
  /** Aborted when nobody waits any more. */
  readonly signal: AbortSignal;
  /** False once the run was forgotten: its result must not be kept. */
  isCurrent(): boolean;
}

interface Call<T> {
  readonly promise: Promise<T>;
  readonly controller: AbortController;
  waiting: number;
  /** After that its signal stays quiet: others may use the same resources by now. */
  isSettled: boolean;
}

export class SharedCalls<T> {
  readonly #calls = new Map<string, Call<T>>();

  /** The result of the run under way with that name, or of a new one. Rejects with the signal's reason when aborted. */
  async run(name: string, signal: AbortSignal, start: (run: SharedRun) => Promise<T>): Promise<T> {
    signal.throwIfAborted();
    const call = this.#calls.get(name) ?? this.#start(name, start);
    call.waiting += 1;
    const { promise: aborted, reject } = Promise.withResolvers<never>();
    const giveUp = () => reject(signal.reason);
    signal.addEventListener('abort', giveUp, { once: true });
    try {
      return await Promise.race([call.promise, aborted]);
    } finally {
      signal.removeEventListener('abort', giveUp);
      call.waiting -= 1;
      if (call.waiting === 0 && !call.isSettled) {
        this.#drop(name, call);
        call.controller.abort(new Error('Nobody waits for this any more.'));
      }
    }
  }

  /** Later callers start anew; those waiting now still get the old run's result. */
  forget(name: string): void {
    this.#calls.delete(name);
  }

  #start(name: string, start: (run: SharedRun) => Promise<T>): Call<T> {
    const controller = new AbortController();
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const call: Call<T> = { promise, controller, waiting: 0, isSettled: false };
    this.#calls.set(name, call);
    const run = { signal: controller.signal, isCurrent: () => this.#calls.get(name) === call };
    const settle = () => {
      call.isSettled = true;
      this.#drop(name, call);
    };
    start(run).finally(settle).then(resolve, reject);
    // The callers handle a failure. When all of them have left, nobody does.
    promise.catch(() => undefined);
    return call;
  }

  #drop(name: string, call: Call<T>): void {
    if (this.#calls.get(name) === call) this.#calls.delete(name);
  }
}
