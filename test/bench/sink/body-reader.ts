/**
 * Takes a request's body from the bytes of a connection: by Content-Length, or out of HTTP's chunked framing. What need not
 * be kept is counted and forgotten, which is what makes the sink cheap.
 */

export interface BodyReader {
  /** Whether the body has ended. */
  readonly done: boolean;
  /** Bytes of body seen. */
  readonly bytes: number;
  /** The body's pieces, when they are kept. */
  readonly pieces: readonly Buffer[];
  /** @returns how many bytes of `data` from `at` on belonged to the body and its framing. */
  take(data: Buffer, at: number): number;
}

/** @throws Error for a length that is none. */
export function bodyReader(headers: ReadonlyMap<string, string>, o: { keep: boolean }): BodyReader {
  if (headers.get('transfer-encoding')?.toLowerCase() === 'chunked') return new ChunkedReader(o.keep);
  const length = Number(headers.get('content-length') ?? 0);
  if (!Number.isSafeInteger(length) || length < 0) throw new Error('the Content-Length is not understood');
  return new LengthReader(length, o.keep);
}

class LengthReader implements BodyReader {
  readonly pieces: Buffer[] = [];
  readonly #length: number;
  readonly #keep: boolean;
  bytes = 0;

  constructor(length: number, keep: boolean) {
    this.#length = length;
    this.#keep = keep;
  }

  get done(): boolean {
    return this.bytes === this.#length;
  }

  take(data: Buffer, at: number): number {
    const taken = Math.min(this.#length - this.bytes, data.length - at);
    this.bytes += taken;
    if (this.#keep && taken > 0) this.pieces.push(data.subarray(at, at + taken));
    return taken;
  }
}

/** RFC 9112, section 7.1. Trailer fields are skipped. */
class ChunkedReader implements BodyReader {
  readonly pieces: Buffer[] = [];
  readonly #keep: boolean;
  bytes = 0;
  done = false;
  /** A line read so far; bytes of the chunk still to come, its line end included; whether the last chunk was seen. */
  #line = '';
  #left = 0;
  #isTrailer = false;

  constructor(keep: boolean) {
    this.#keep = keep;
  }

  take(data: Buffer, from: number): number {
    let at = from;
    while (at < data.length && !this.done) at = this.#left > 0 ? this.#chunk(data, at) : this.#lineEnd(data, at);
    return at - from;
  }

  #chunk(data: Buffer, at: number): number {
    const taken = Math.min(this.#left, data.length - at);
    const body = Math.min(taken, Math.max(0, this.#left - 2));
    this.bytes += body;
    if (this.#keep && body > 0) this.pieces.push(data.subarray(at, at + body));
    this.#left -= taken;
    return at + taken;
  }

  #lineEnd(data: Buffer, at: number): number {
    const end = data.indexOf(0x0a, at);
    this.#line += data.toString('latin1', at, end < 0 ? data.length : end + 1);
    if (end < 0) return data.length;
    const line = this.#line.trim();
    this.#line = '';
    if (this.#isTrailer) this.done = line === '';
    else this.#begin(line);
    return end + 1;
  }

  #begin(line: string): void {
    const size = Number.parseInt(line, 16);
    if (!Number.isSafeInteger(size) || size < 0) throw new Error('a chunk is not understood');
    if (size === 0) this.#isTrailer = true;
    else this.#left = size + 2;
  }
}
