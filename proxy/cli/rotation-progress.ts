/** How far a pass is: one line that is written over on a terminal, a line now and then elsewhere. */
import type { PassResult } from '../rotation/rewrap-pass.ts';

const TERMINAL_MS = 250;
const PLAIN_MS = 10_000;

export class RotationProgress {
  readonly #write: (text: string) => void;
  readonly #isTerminal: boolean;
  readonly #now: () => number;
  #began: number;
  #shown: number;
  /** Rows in all, once they were counted. */
  total: number | undefined;

  constructor(o: { write: (text: string) => void; isTerminal: boolean; now?: () => number }) {
    this.#write = o.write;
    this.#isTerminal = o.isTerminal;
    this.#now = o.now ?? (() => performance.now());
    this.#began = this.#now();
    this.#shown = this.#began;
  }

  /** A pass begins. */
  begin(): void {
    this.#began = this.#now();
    this.#shown = this.#began;
  }

  show(pass: PassResult): void {
    const now = this.#now();
    if (now - this.#shown < (this.#isTerminal ? TERMINAL_MS : PLAIN_MS)) return;
    this.#shown = now;
    this.#write(this.#isTerminal ? `\r${this.#line(pass)}\x1b[K` : `${this.#line(pass)}\n`);
  }

  /** Leaves what was shown, and starts a new line. */
  end(pass: PassResult): void {
    this.#write(`${this.#isTerminal ? '\r' : ''}${this.#line(pass)}${this.#isTerminal ? '\x1b[K' : ''}\n`);
  }

  #line(pass: PassResult): string {
    const seconds = Math.max(1e-3, (this.#now() - this.#began) / 1000);
    const rate = pass.seen / seconds;
    const of = this.total === undefined ? '' : ` of ${this.total}`;
    const left = this.total === undefined || rate === 0 ? undefined : Math.max(0, this.total - pass.seen) / rate;
    const eta = left === undefined ? '' : `, ${Math.ceil(left)} s to go`;
    return `${pass.seen}${of} looked at, ${pass.rewrapped} re-wrapped, ${rate.toFixed(0)}/s${eta}`;
  }
}
