/** One holder at a time for each name, in the order of asking. */
export class KeyLocks {
  readonly #tails = new Map<string, Promise<void>>();

  /** Resolves to the function that releases the lock; calling it again does nothing. */
  async acquire(name: string): Promise<() => void> {
    const before = this.#tails.get(name) ?? Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    const tail = before.then(() => promise);
    this.#tails.set(name, tail);
    await before;
    return () => {
      resolve();
      if (this.#tails.get(name) === tail) this.#tails.delete(name);
    };
  }
}
