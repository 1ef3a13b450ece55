/**
 * Where the body of a response ends: after its Content-Length, with its last chunk, or with the connection (RFC 9112,
 * section 6.3). Pieces are handed on as they lie in what was read.
 */
import type { Buffer } from 'node:buffer';
import { MAX_BACKEND_HEAD_BYTES } from '../../limits.ts';
import { checkTrailerLine, MalformedResponse, type ResponseHead } from './response-head.ts';

export interface Framing {
  /** Gives the body's own bytes at the front of `bytes` to `emit`. @returns how many bytes were used. @throws MalformedResponse */
  take(bytes: Buffer, emit: (piece: Buffer) => void): number;
  readonly isComplete: boolean;
  /** Bytes that are certain to follow: a hint for how much memory a read may use. */
  readonly expected: number;
  /** Only bytes of the body come until its end. */
  readonly isContiguous: boolean;
  /** The connection's end is the body's. */
  readonly endsWithConnection: boolean;
}

/** @throws MalformedResponse when the headers do not say it, or say it twice. */
export function framingOf(head: ResponseHead, method: string): Framing {
  const { status, headers } = head;
  const coding = headers['transfer-encoding'];
  const length = headers['content-length'];
  // Looked at where no body follows, too: a head that contradicts itself is of something that cannot be trusted with the next one.
  if (coding !== undefined && (coding.toLowerCase() !== 'chunked' || length !== undefined)) {
    throw new MalformedResponse('its length is ambiguous');
  }
  if (length !== undefined && !/^[0-9]{1,15}$/.test(length)) {
    throw new MalformedResponse('its Content-Length is not a number');
  }
  if (method === 'HEAD' || status === 204 || status === 304) return new Sized(0);
  if (coding !== undefined) return new Chunked();
  return length === undefined ? new UntilClosed() : new Sized(Number(length));
}

class Sized implements Framing {
  readonly isContiguous = true;
  readonly endsWithConnection = false;
  #left: number;

  constructor(length: number) {
    this.#left = length;
  }

  get isComplete(): boolean {
    return this.#left === 0;
  }

  get expected(): number {
    return this.#left;
  }

  take(bytes: Buffer, emit: (piece: Buffer) => void): number {
    const taken = Math.min(bytes.length, this.#left);
    this.#left -= taken;
    if (taken > 0) emit(taken === bytes.length ? bytes : bytes.subarray(0, taken));
    return taken;
  }
}

class UntilClosed implements Framing {
  readonly isContiguous = true;
  readonly endsWithConnection = true;
  readonly isComplete = false;
  readonly expected = 0;

  take(bytes: Buffer, emit: (piece: Buffer) => void): number {
    emit(bytes);
    return bytes.length;
  }
}

/** Extensions are read past, and only as RFC 9112 has them, without the white space that it advises against (section 7.1.1). */
const CHUNK_SIZE =
  /^([0-9a-f]{1,12})(?:;[!#$%&'*+\-.^_`|~0-9A-Za-z]+(?:=(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+|"[\t\x20\x21\x23-\x5b\x5d-\x7e]*"))?)*$/i;
/** The beginnings that a line may have while its rest is still to come. */
const BEGUN = {
  size: /^(?:[0-9a-f]{1,12}(?:;[\t\x20-\x7e]*)?)?\r?$/i,
  'after-data': /^\r?$/,
  trailer: /^(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+(?::[\t\x20-\x7e\x80-\xff]*)?)?\r?$/,
} as const;
const LF = 0x0a;

class Chunked implements Framing {
  readonly isContiguous = false;
  readonly endsWithConnection = false;
  #state: keyof typeof BEGUN | 'data' | 'done' = 'size';
  /** Bytes of the chunk that are still to come. */
  #left = 0;
  #line = '';
  #trailerBytes = 0;

  get isComplete(): boolean {
    return this.#state === 'done';
  }

  get expected(): number {
    return this.#left;
  }

  take(bytes: Buffer, emit: (piece: Buffer) => void): number {
    let at = 0;
    while (at < bytes.length && this.#state !== 'done') {
      if (this.#state === 'data') {
        const end = Math.min(bytes.length, at + this.#left);
        emit(bytes.subarray(at, end));
        this.#left -= end - at;
        at = end;
        if (this.#left === 0) this.#state = 'after-data';
      } else at = this.#readLine(BEGUN[this.#state], bytes, at);
    }
    return at;
  }

  #readLine(begun: RegExp, bytes: Buffer, at: number): number {
    const end = bytes.indexOf(LF, at);
    const stop = end < 0 ? bytes.length : end + 1;
    this.#line += bytes.toString('latin1', at, stop);
    if (this.#line.length > MAX_BACKEND_HEAD_BYTES) throw new MalformedResponse('a line of its chunks is too long');
    if (end < 0) {
      // Nothing that follows can make the line valid, so it is not waited for.
      if (!begun.test(this.#line)) throw malformedLine();
      return stop;
    }
    const line = this.#line;
    this.#line = '';
    if (!line.endsWith('\r\n')) throw malformedLine();
    this.#onLine(line.slice(0, -2));
    return stop;
  }

  #onLine(line: string): void {
    if (this.#state === 'size') {
      const size = CHUNK_SIZE.exec(line)?.[1];
      if (size === undefined) throw new MalformedResponse('a chunk has no size');
      this.#left = Number.parseInt(size, 16);
      this.#state = this.#left === 0 ? 'trailer' : 'data';
    } else if (this.#state === 'after-data') {
      if (line !== '') throw new MalformedResponse('a chunk is longer than it said');
      this.#state = 'size';
    } else {
      this.#trailerBytes += line.length + 2;
      if (this.#trailerBytes > MAX_BACKEND_HEAD_BYTES) throw new MalformedResponse('its trailer is too long');
      if (line === '') this.#state = 'done';
      else checkTrailerLine(line);
    }
  }
}

function malformedLine(): MalformedResponse {
  return new MalformedResponse('a line of its chunks is not as it must be');
}
