/**
 * Limits the pieces of work that run at once in the whole process. Callers take turns: one with a thousand pieces does not delay
 * one with three.
 */
type Start = () => void;

/** One caller's turn: runs `work` when it has one. */
export type Lane = <T>(work: () => Promise<T>) => Promise<T>;

export class FairLimit {
  readonly #atOnce: number;
  /** Callers with work that waits, in the order of their turns. */
  readonly #queues = new Set<Start[]>();
  #running = 0;

  constructor(o: { atOnce: number }) {
    this.#atOnce = o.atOnce;
  }

  /** A queue for one caller, in its own order. */
  lane(): Lane {
    const queue: Start[] = [];
    return async (work) => {
      if (this.#running >= this.#atOnce) await this.#turn(queue);
      else this.#running += 1;
      try {
        return await work();
      } finally {
        this.#next();
      }
    };
  }

  #turn(queue: Start[]): Promise<void> {
    return new Promise((resolve) => {
      queue.push(resolve);
      this.#queues.add(queue);
    });
  }

  /** Gives the free place to the caller whose turn it is. */
  #next(): void {
    const [queue] = this.#queues;
    if (queue === undefined) {
      this.#running -= 1;
      return;
    }
    this.#queues.delete(queue);
    const start = queue.shift();
    if (queue.length > 0) this.#queues.add(queue);
    start?.();
  }
}
