/** What a run compared: requests by operation and outcome, and how often each allowed difference occurred. */
import type { Exchange } from './difference.ts';

export class Ledger {
  readonly #allowed = new Map<string, number>();
  readonly #outcomes = new Map<string, number>();
  #requests = 0;

  /** Requests sent to both sides and compared. */
  get requests(): number {
    return this.#requests;
  }

  /** Name of an allowed difference -> occurrences. */
  get allowed(): ReadonlyMap<string, number> {
    return this.#allowed;
  }

  /** `GET object 206` -> how often the bare store answered so. */
  get outcomes(): ReadonlyMap<string, number> {
    return this.#outcomes;
  }

  compared(exchange: Exchange): void {
    this.#requests += 1;
    count(this.#outcomes, `${exchange.operation} ${exchange.bare.status}`);
  }

  allow(name: string): void {
    count(this.#allowed, name);
  }
}

function count(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1);
}
