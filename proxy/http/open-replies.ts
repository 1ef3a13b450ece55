/** The replies that a listener still owes. A stop tells their clients to go elsewhere, and later cuts the replies that are left. */
import type { ServerResponse } from 'node:http';
import { noteOwnCut } from './own-cuts.ts';

export class OpenReplies {
  readonly #open = new Set<ServerResponse>();
  #isDraining = false;

  get size(): number {
    return this.#open.size;
  }

  add(outgoing: ServerResponse): void {
    this.#open.add(outgoing);
    outgoing.once('close', () => this.#open.delete(outgoing));
    if (this.#isDraining) outgoing.setHeader('Connection', 'close');
  }

  /** From now on, every reply that has not begun tells its client that the connection ends with it. */
  drain(): void {
    this.#isDraining = true;
    for (const outgoing of this.#open) if (!outgoing.headersSent) outgoing.setHeader('Connection', 'close');
  }

  /** Notes for all of them who cuts them. Returns how many there are; the connections are the listener's to close. */
  cut(): number {
    for (const outgoing of this.#open) noteOwnCut(outgoing, 'shutdown');
    return this.#open.size;
  }
}
