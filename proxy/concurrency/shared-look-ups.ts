/**
 * Listings that look up the same version at the same time do so once. The look-up is the first one's: when that listing is given
 * up, another one makes it anew. (SharedCalls gives each run a signal of its own, which a page of a thousand look-ups would
 * pay for a thousand times.)
 */
interface UnderWay<T> {
  readonly promise: Promise<T>;
  /** Of the listing that it belongs to. */
  readonly signal: AbortSignal;
}

export class SharedLookUps<T> {
  readonly #underWay = new Map<string, UnderWay<T>>();

  /** `lookUp` ends when `signal` is aborted. A caller that shares another's waits until that one ends. */
  run(name: string, signal: AbortSignal, lookUp: () => Promise<T>): Promise<T> {
    const other = this.#underWay.get(name);
    if (other !== undefined) return this.#join(other, name, signal, lookUp);
    const promise = lookUp().finally(() => this.#underWay.delete(name));
    this.#underWay.set(name, { promise, signal });
    return promise;
  }

  async #join(other: UnderWay<T>, name: string, signal: AbortSignal, lookUp: () => Promise<T>): Promise<T> {
    try {
      return await other.promise;
    } catch (error) {
      if (!other.signal.aborted) throw error;
    }
    signal.throwIfAborted();
    return this.run(name, signal, lookUp);
  }
}
