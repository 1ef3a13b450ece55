/**
 * How plaintext sits in a request's body: as it is, or in aws-chunked framing. A framing is pure: bytes in, payload slices
 * out, so that it can be tested over every way of cutting the input.
 */
import { S3Error } from '../errors.ts';
import type { Trailer } from './trailer.ts';

export interface Framing {
  /** The payload in the next bytes of the body, in slices of them. @throws S3Error for what cannot be right. */
  push(input: Buffer): Iterable<Buffer>;
  /** Call it when the body has ended. @throws S3Error when it ended early. */
  finish(): Trailer;
}

const NO_TRAILER: Trailer = new Map();

/** The body is the plaintext; Content-Length is its length. */
export class PlainFraming implements Framing {
  #left: number;

  constructor(o: { plainBytes: number }) {
    this.#left = o.plainBytes;
  }

  push(input: Buffer): readonly Buffer[] {
    this.#left -= input.length;
    if (this.#left < 0) {
      throw new S3Error('IncompleteBody', 'The body has more bytes than Content-Length announced.');
    }
    return input.length === 0 ? [] : [input];
  }

  finish(): Trailer {
    if (this.#left > 0) throw new S3Error('IncompleteBody');
    return NO_TRAILER;
  }
}
