/** How far long work is: one line that is written over on a terminal, a line now and then elsewhere. */
import { JOB_SAVE_MS } from '../job-limits.ts';

const TERMINAL_MS = 250;

/** What is known of the speed. */
export interface Pace {
  readonly perSecond: number;
  readonly seconds: number;
  /** ` of 500`; '' while the number of all is not known. */
  readonly of: string;
  /** `, 40 s to go`; '' while that is not known. */
  readonly left: string;
}

export interface ProgressOptions {
  readonly write: (text: string) => void;
  readonly isTerminal: boolean;
  /** Milliseconds. */
  readonly now?: () => number;
}

export class ProgressLine<Value extends { readonly seen: number }> {
  readonly #o: ProgressOptions;
  readonly #now: () => number;
  readonly #text: (value: Value, pace: Pace) => string;
  readonly #plain: (value: Value, pace: Pace) => string;
  #began: number;
  #shown: number;
  /** Seen before this began. */
  #before = 0;
  /** All there is to see, once it was counted. */
  total: number | undefined;

  /** `plain`: the line where nobody watches a terminal; without it the same. */
  constructor(
    o: ProgressOptions & {
      text: (value: Value, pace: Pace) => string;
      plain?: (value: Value, pace: Pace) => string;
    },
  ) {
    this.#o = o;
    this.#now = o.now ?? (() => performance.now());
    this.#text = o.text;
    this.#plain = o.plain ?? o.text;
    this.#began = this.#now();
    this.#shown = this.#began;
  }

  /** Work begins, with so much of it done before. */
  begin(before = 0): void {
    this.#began = this.#now();
    this.#shown = this.#began;
    this.#before = before;
  }

  show(value: Value): void {
    const now = this.#now();
    const { isTerminal, write } = this.#o;
    if (now - this.#shown < (isTerminal ? TERMINAL_MS : JOB_SAVE_MS)) return;
    this.#shown = now;
    write(isTerminal ? `\r${this.#line(value)}\x1b[K` : `${this.#line(value)}\n`);
  }

  /** Leaves what was shown, and starts a new line. */
  end(value: Value): void {
    const { isTerminal, write } = this.#o;
    write(`${isTerminal ? '\r' : ''}${this.#line(value)}${isTerminal ? '\x1b[K' : ''}\n`);
  }

  #line(value: Value): string {
    const seconds = Math.max(1e-3, (this.#now() - this.#began) / 1000);
    const perSecond = (value.seen - this.#before) / seconds;
    const { total } = this;
    const left = total === undefined || perSecond === 0 ? undefined : Math.max(0, total - value.seen) / perSecond;
    const pace = {
      perSecond,
      seconds,
      of: total === undefined ? '' : ` of ${total}`,
      left: left === undefined ? '' : `, ${Math.ceil(left)} s to go`,
    };
    return this.#o.isTerminal ? this.#text(value, pace) : this.#plain(value, pace);
  }
}
