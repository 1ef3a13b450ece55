/**
 * The body of one response as a stream of the pieces that were read, none of them copied or joined. Reading it is what moves
 * the connection on; giving it up early cuts the connection.
 */
import type { Buffer } from 'node:buffer';
import { Readable } from 'node:stream';

/** Pieces that may wait for the reader; each is at most one read. */
const PIECES_AHEAD = 2;

export class ResponseBody extends Readable {
  readonly #wanted: () => void;
  readonly #givenUp: () => void;
  #isWhole = false;

  constructor(o: { wanted: () => void; givenUp: () => void }) {
    super({ objectMode: true, highWaterMark: PIECES_AHEAD });
    this.#wanted = o.wanted;
    this.#givenUp = o.givenUp;
  }

  /** False when the reader has enough for now. */
  add(piece: Buffer): boolean {
    return this.push(piece);
  }

  /** Nothing more will come. */
  finish(): void {
    this.#isWhole = true;
    this.push(null);
  }

  override _read(): void {
    if (!this.#isWhole) this.#wanted();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    if (!this.#isWhole) this.#givenUp();
    done(error);
  }
}

/** That of a HEAD, a 204, a 304. */
export function emptyBody(): Readable {
  const body = new Readable({ read() {} });
  body.push(null);
  return body;
}
