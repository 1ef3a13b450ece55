/**
 * The body of one response as a stream of the pieces that were read, and the memory that they are read into: none of them is
 * copied or joined but those of small bodies. Reading it is what moves the connection on; giving it up early cuts the connection.
 * A body that came in one piece is handed over as that, which costs far less than a stream of it.
 */
import { Buffer } from 'node:buffer';
import { Readable } from 'node:stream';
import {
  BACKEND_LEAST_READ_BYTES,
  BACKEND_READ_BYTES,
  BACKEND_SHARED_READ_BYTES,
  BACKEND_SPARE_BLOCKS,
} from '../../limits.ts';
import type { PieceSizes } from '../backend.ts';

/** What reads go into, of all connections, unless a large body is under way. Whatever is kept of it is copied at once. */
export const sharedMemory = Buffer.allocUnsafeSlow(BACKEND_SHARED_READ_BYTES);

/** Bytes that may wait for the reader: more than one block never does, so that two are enough to cut into. */
const READ_AHEAD_BYTES = BACKEND_SHARED_READ_BYTES;

export class ResponseBody extends Readable {
  readonly #wanted: () => void;
  readonly #givenUp: () => void;
  readonly #canBeCut: boolean;
  #isWhole = false;
  /** The first piece, until the stream is read or another one comes. */
  #only: Buffer | undefined;
  /** As a stream, or whole. */
  #isHandedOut = false;
  /** Bytes of the body so far. */
  #received = 0;
  /** What is being filled, and how far. */
  #memory: Buffer | undefined;
  #filled = 0;
  #sizes: PieceSizes | undefined;
  /** Filled in turn; the one before belongs to the reader. */
  #blocks: readonly [Buffer | undefined, Buffer | undefined] = [undefined, undefined];
  #block: Buffer | undefined;

  /** `canBeCut`: nothing stands between the bytes of the body, and none comes after `add` said that it is enough. */
  constructor(o: { canBeCut: boolean; wanted: () => void; givenUp: () => void }) {
    super({ highWaterMark: READ_AHEAD_BYTES });
    this.#canBeCut = o.canBeCut;
    this.#wanted = o.wanted;
    this.#givenUp = o.givenUp;
  }

  /** From the next read on, if the sizes are worth it. The piece that the reader has is overwritten when it asks for another. */
  cutInto(sizes: PieceSizes): () => void {
    if (this.#canBeCut && sizes.others >= READ_AHEAD_BYTES) this.#sizes = sizes;
    return () => this.#giveBack();
  }

  /** Bytes wait for the reader. */
  get isUnread(): boolean {
    return this.#only !== undefined || this.readableLength > 0;
  }

  takeWhole(): Buffer | undefined {
    if (!this.#isWhole || this.#isHandedOut) return undefined;
    const whole = this.#only ?? NOTHING;
    this.#only = undefined;
    this.#isHandedOut = true;
    return whole;
  }

  /** Memory for the next read. `expected`: bytes that are certain to follow, or 0. */
  memory(expected: number): Buffer {
    if (this.#block !== undefined) return this.#block.subarray(this.#filled);
    if (this.#sizes !== undefined && expected > 0) {
      this.#memory = undefined;
      this.#filled = 0;
      this.#block = this.#nextBlock(this.#sizes, expected);
      return this.#block;
    }
    if (expected > 0 && expected <= sharedMemory.length) return sharedMemory;
    if (this.#memory === undefined || this.#memory.length - this.#filled < BACKEND_LEAST_READ_BYTES) {
      this.#memory = Buffer.allocUnsafeSlow(BACKEND_READ_BYTES);
      this.#filled = 0;
    }
    return this.#memory.subarray(this.#filled);
  }

  /** So many bytes were read into what `memory` gave. */
  advance(length: number): void {
    this.#filled += length;
  }

  /** Bytes of the body, as they lie in the memory of the read. False when the reader has enough for now. */
  add(bytes: Buffer): boolean {
    this.#received += bytes.length;
    if (bytes.buffer === sharedMemory.buffer) return this.#emit(Buffer.from(bytes));
    const block = this.#block;
    if (block === undefined) return this.#emit(bytes);
    if (this.#filled < block.length) return true;
    this.#block = undefined;
    return this.#emit(block);
  }

  /** Nothing more will come. */
  finish(): void {
    this.#isWhole = true;
    if (this.#isHandedOut) this.push(null);
  }

  override _read(): void {
    this.#handOut();
    if (!this.#isWhole) this.#wanted();
  }

  #emit(piece: Buffer): boolean {
    if (this.#isHandedOut) return this.push(piece);
    if (this.#received === piece.length) {
      this.#only = piece;
      return piece.length < READ_AHEAD_BYTES;
    }
    this.#handOut();
    return this.push(piece);
  }

  #handOut(): void {
    if (this.#isHandedOut) return;
    this.#isHandedOut = true;
    const first = this.#only;
    this.#only = undefined;
    if (first !== undefined) this.push(first);
    if (this.#isWhole) this.push(null);
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    if (!this.#isWhole) this.#givenUp();
    done(error);
  }

  /** From where the body is now to where the next piece is to end. */
  #nextBlock({ first, others }: PieceSizes, expected: number): Buffer {
    const at = this.#received;
    const size = Math.min(expected, at < first ? first - at : others - ((at - first) % others));
    const [idle] = this.#blocks;
    const whole = Math.max(first, others);
    const block = idle ?? takeSpare(whole) ?? Buffer.allocUnsafeSlow(whole);
    this.#blocks = [this.#blocks[1], block];
    return block.subarray(0, size);
  }

  #giveBack(): void {
    if (!this.#isWhole || this.#block !== undefined) return;
    for (const block of this.#blocks)
      if (block !== undefined && spares.length < BACKEND_SPARE_BLOCKS) spares.push(block);
    this.#blocks = [undefined, undefined];
  }
}

/** Blocks that bodies left behind. */
const spares: Buffer[] = [];

/** Of a shorter one each piece would be shorter: then more than one waits for the reader, and two blocks are not enough. */
function takeSpare(size: number): Buffer | undefined {
  const last = spares.at(-1);
  return last !== undefined && last.length >= size ? spares.pop() : undefined;
}

const NOTHING = Buffer.alloc(0);

/** That of a HEAD, a 204, a 304. */
export function emptyBody(): ResponseBody {
  const body = new ResponseBody({ canBeCut: false, wanted: nothing, givenUp: nothing });
  body.finish();
  return body;
}

function nothing(): void {}
