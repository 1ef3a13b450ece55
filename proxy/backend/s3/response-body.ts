/**
 * The body of one response as a stream of the pieces that were read, and the memory that they are read into: none of them is
 * copied or joined but those of small bodies. Reading it is what moves the connection on; giving it up early cuts the connection.
 * A body that came in one piece is handed over as that, which costs far less than a stream of it.
 */
import { Buffer } from 'node:buffer';
import { Readable } from 'node:stream';
import {
  BACKEND_BLOCK_BYTES,
  BACKEND_LEAST_READ_BYTES,
  BACKEND_READ_BYTES,
  BACKEND_SHARED_READ_BYTES,
  BACKEND_SPARE_BLOCKS,
} from '../../limits.ts';
import type { PieceSizes } from '../backend.ts';

/** The memory into which all connections read, unless a large body is under way. Bytes that are kept are copied at once. */
export const sharedMemory = Buffer.allocUnsafeSlow(BACKEND_SHARED_READ_BYTES);

/** Bytes that may wait for the reader: more than one block never does, so that two are enough to cut into. */
const READ_AHEAD_BYTES = BACKEND_SHARED_READ_BYTES;

export class ResponseBody extends Readable {
  readonly #wanted: () => void;
  readonly #givenUp: () => void;
  readonly #canBeCut: boolean;
  /** All of it goes into one block, as far as that reaches. */
  #isGathered: boolean;
  /** So that what comes with the head is better copied into that block as well. */
  readonly #isLarge: boolean;
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
  /** Blocks that must be given back. A body that is cut has two, filled in turn: the previous one belongs to the reader. */
  readonly #blocks: Buffer[] = [];
  /** The piece that is being filled, of a body that is cut. */
  #block: Buffer | undefined;

  /**
   * `canBeCut`: nothing stands between the bytes of the body, and none comes after `add` said that it is enough. `isLent`: it
   * will be given back. `announced`: its bytes, or 0 where that is not known.
   */
  constructor(o: {
    canBeCut: boolean;
    isLent: boolean;
    announced: number;
    wanted: () => void;
    givenUp: () => void;
  }) {
    super({ highWaterMark: READ_AHEAD_BYTES });
    this.#canBeCut = o.canBeCut;
    this.#isLarge = o.announced > BACKEND_LEAST_READ_BYTES;
    this.#isGathered = o.isLent && (this.#isLarge || o.announced === 0);
    this.#wanted = o.wanted;
    this.#givenUp = o.givenUp;
  }

  /** From the next read on, if the sizes are worth it. The piece that the reader has is overwritten when it asks for another. */
  cutInto(sizes: PieceSizes): void {
    const { first, others } = sizes;
    // With shorter pieces, more than one waits for the reader, and two blocks are not enough.
    const isWorthIt = others >= READ_AHEAD_BYTES && Math.max(first, others) <= BACKEND_BLOCK_BYTES;
    if (this.#canBeCut && !this.#isGathered && isWorthIt) this.#sizes = sizes;
  }

  /** Gives back nothing while more bytes are expected, because they would go there. */
  giveBack(): void {
    if (!this.#isWhole || this.#block !== undefined) return;
    for (const block of this.#blocks) if (spares.length < BACKEND_SPARE_BLOCKS) spares.push(block);
    this.#blocks.length = 0;
    this.#memory = undefined;
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
    if (expected > 0 && expected <= sharedMemory.length && !this.#isGathered) return sharedMemory;
    return this.#room();
  }

  /** For the bytes after those that were read so far. */
  #room(): Buffer {
    if (this.#memory === undefined || this.#memory.length - this.#filled < BACKEND_LEAST_READ_BYTES) {
      // One block: a body that does not fit may be of any length.
      if (this.#blocks.length > 0) this.#isGathered = false;
      this.#memory = this.#isGathered ? this.#borrowed() : Buffer.allocUnsafeSlow(BACKEND_READ_BYTES);
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
    if (bytes.buffer === sharedMemory.buffer) return this.#emit(this.#copied(bytes));
    const block = this.#block;
    if (block === undefined) return this.#emit(bytes);
    if (this.#filled < block.length) return true;
    this.#block = undefined;
    return this.#emit(block);
  }

  /**
   * The bytes that came with the head. For a large body they are copied into the borrowed block, so that the rest follows there.
   */
  #copied(bytes: Buffer): Buffer {
    const isLarge = this.#isLarge || bytes.length >= BACKEND_LEAST_READ_BYTES;
    if (!this.#isGathered || !isLarge) return Buffer.from(bytes);
    const copy = this.#room().subarray(0, bytes.length);
    bytes.copy(copy);
    this.#filled += copy.length;
    return copy;
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
    const idle = this.#blocks.length > 1 ? this.#blocks.shift() : undefined;
    if (idle === undefined) return this.#borrowed().subarray(0, size);
    this.#blocks.push(idle);
    return idle.subarray(0, size);
  }

  #borrowed(): Buffer {
    const block = spares.pop() ?? Buffer.allocUnsafeSlow(BACKEND_BLOCK_BYTES);
    this.#blocks.push(block);
    return block;
  }
}

/** Blocks that bodies gave back. */
const spares: Buffer[] = [];

const NOTHING = Buffer.alloc(0);

/** That of a HEAD, a 204, a 304. */
export function emptyBody(): ResponseBody {
  const body = new ResponseBody({
    canBeCut: false,
    isLent: false,
    announced: 0,
    wanted: nothing,
    givenUp: nothing,
  });
  body.finish();
  return body;
}

function nothing(): void {}
