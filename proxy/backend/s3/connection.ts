/**
 * One connection to the store: requests go out one after the other, and each response is read to its end before the next.
 * It works on the socket itself: reads go into memory that is used again (heads, small bodies) or that becomes the body's own
 * pieces (large ones), where node:http makes a buffer of every read and copies it (docs/performance.md has the figures).
 */
import { Buffer } from 'node:buffer';
import type { Socket } from 'node:net';
import { MAX_BACKEND_HEAD_BYTES } from '../../limits.ts';
import { type ConnectionOptions, openSocket, withReason } from './open-socket.ts';
import { emptyBody, ResponseBody, sharedMemory } from './response-body.ts';
import { type Framing, framingOf } from './response-framing.ts';
import {
  checkBegunHead,
  HEAD_END,
  headLength,
  MalformedResponse,
  parseHead,
  type ResponseHead,
} from './response-head.ts';

/** The owner of the request under way. Calls come in this order; after `onClosed` none comes. */
export interface ConnectionUser {
  readonly method: string;
  onConnected(): void;
  onContinue(): void;
  /** Whether the body after this head will be given back. */
  lends(head: ResponseHead): boolean;
  /** The head is there, and its body to be read. Throwing closes the connection. */
  onResponse(head: ResponseHead, body: ResponseBody): void;
  /** The response is whole. The connection has another user, or none, from now on. */
  onComplete(): void;
  /** What was written has gone out. */
  onDrain(): void;
  /** Nothing was read or written for the time of `watch`. */
  onIdle(): void;
  /** The connection was closed before the response was whole. */
  onClosed(error: NodeJS.ErrnoException | undefined): void;
}

export class Connection {
  readonly socket: Socket;
  /** Requests begun on it. */
  uses = 0;
  /** While it has no user: by the clock of `performance.now`, when to close it. */
  keptUntil = 0;
  readonly #onFree: (connection: Connection, head: ResponseHead) => void;
  #user: ConnectionUser | undefined;
  #error: NodeJS.ErrnoException | undefined;
  readonly #isSecure: boolean;
  readonly #hasSession: boolean;
  #hasServed = false;
  #isConnected = false;
  #watchedMs = 0;
  #isCorked = false;
  /** The beginning of a head that came in several reads. */
  #partial: Buffer | undefined;
  /** Where its last line begins. */
  #lineStart = 0;
  /** Of the interim responses before the one that is waited for. */
  #interimBytes = 0;
  #head: ResponseHead | undefined;
  #framing: Framing | undefined;
  #body: ResponseBody | undefined;
  #isReaderBehind = false;
  /** The last read filled its memory: what more there was is read next, before anything else happens. */
  #mayHaveMore = false;

  /** @param onFree called when a response is whole and the connection may carry another request */
  constructor(o: ConnectionOptions, onFree: (connection: Connection, head: ResponseHead) => void) {
    this.#onFree = onFree;
    this.#isSecure = o.secure;
    this.#hasSession = o.session !== undefined;
    this.socket = openSocket(o, {
      buffer: () => this.#nextMemory(),
      callback: (bytes, memory) => this.#onRead(bytes, memory),
    });
    this.socket.once(o.secure ? 'secureConnect' : 'connect', () => {
      this.#isConnected = true;
      this.#user?.onConnected();
    });
    this.socket.on('drain', () => this.#user?.onDrain());
    this.socket.on('timeout', () => {
      this.#watchedMs = 0;
      if (this.#user === undefined) this.destroy();
      else this.#user.onIdle();
    });
    this.socket.on('error', (error) => {
      this.#error = withReason(error);
    });
    this.socket.on('end', () => this.#onEnd());
    this.socket.on('close', () => this.#onClose());
  }

  /** TLS handshake included. */
  get isConnected(): boolean {
    return this.#isConnected;
  }

  /** The connection failed, or may still fail, because of the TLS session that it was to resume. Nothing of a request was sent. */
  get isResuming(): boolean {
    return this.#hasSession && !this.#isConnected;
  }

  /** A response began on it. */
  get hasServed(): boolean {
    return this.#hasServed;
  }

  /** Whether another request can be sent on it. */
  get isUsable(): boolean {
    return !this.socket.destroyed && this.socket.readable && this.socket.writable;
  }

  /** A part of an answer has come, though no head that is whole. */
  get hasHeard(): boolean {
    return this.#partial !== undefined || this.#interimBytes > 0;
  }

  /** Bytes handed over and not yet taken by the kernel. */
  get unsentBytes(): number {
    return this.socket.writableLength;
  }

  begin(user: ConnectionUser): void {
    this.#user = user;
    this.uses += 1;
    if (this.uses > 1) this.socket.ref();
  }

  /** Milliseconds of silence after which the user is told, or a connection without one is closed. Reads and writes begin it anew. */
  watch(ms: number): void {
    // Setting it makes a timer: most requests find the one that they want.
    if (this.#watchedMs !== ms) this.socket.setTimeout(ms);
    this.#watchedMs = ms;
  }

  /** Pieces that are written together leave in one system call. False when the caller should wait for `onDrain`. */
  write(piece: Buffer | string): boolean {
    if (!this.#isCorked) {
      this.#isCorked = true;
      this.socket.cork();
      process.nextTick(() => {
        this.#isCorked = false;
        this.socket.uncork();
      });
    }
    return typeof piece === 'string' ? this.socket.write(piece, 'latin1') : this.socket.write(piece);
  }

  /** A request that is all of this. */
  writeAlone(head: string): void {
    this.socket.write(head, 'latin1');
  }

  destroy(): void {
    this.socket.destroy();
  }

  #nextMemory(): Buffer {
    return this.#body === undefined ? sharedMemory : this.#body.memory(this.#framing?.expected ?? 0);
  }

  /** @returns whether to go on reading */
  #onRead(length: number, memory: Uint8Array): boolean {
    if (memory !== sharedMemory) this.#body?.advance(length);
    this.#mayHaveMore = length === memory.length;
    try {
      this.#take(Buffer.from(memory.buffer, memory.byteOffset, length));
    } catch (error) {
      this.#error = error instanceof Error ? error : new MalformedResponse(String(error));
      this.destroy();
    }
    return !this.#isReaderBehind;
  }

  #take(bytes: Buffer): void {
    let at = 0;
    while (at < bytes.length && !this.socket.destroyed) {
      const rest = at === 0 ? bytes : bytes.subarray(at);
      at += this.#framing === undefined ? this.#takeHead(rest) : this.#takeBody(this.#framing, rest);
      if (this.#framing?.isComplete !== true) continue;
      // Further bytes belong to no request. The next request must not take them for its answer.
      this.#complete({ isAlone: at === bytes.length });
      return;
    }
  }

  #takeBody(framing: Framing, bytes: Buffer): number {
    return framing.take(bytes, (piece) => {
      if (this.#body?.add(piece) === false) this.#isReaderBehind = true;
    });
  }

  #takeHead(bytes: Buffer): number {
    const user = this.#user;
    if (user === undefined) throw new MalformedResponse('it sent what nobody asked for');
    const before = this.#partial?.length ?? 0;
    const whole = this.#partial === undefined ? bytes : Buffer.concat([this.#partial, bytes]);
    const length = headLength(whole);
    if (this.#interimBytes + (length < 0 ? whole.length : length) > MAX_BACKEND_HEAD_BYTES) {
      throw new MalformedResponse('the head of its answer is too long');
    }
    if (length < 0) {
      this.#lineStart = checkBegunHead(whole, this.#lineStart);
      this.#partial = before === 0 ? Buffer.from(whole) : whole;
      return bytes.length;
    }
    this.#partial = undefined;
    this.#lineStart = 0;
    const head = parseHead(whole.toString('latin1', 0, length - HEAD_END.length));
    if (head.status >= 200) this.#onHead(user, head);
    else {
      this.#interimBytes += length;
      if (head.status === 101) throw new MalformedResponse('it wants another protocol');
      if (head.status === 100) user.onContinue();
    }
    return length - before;
  }

  #onHead(user: ConnectionUser, head: ResponseHead): void {
    const framing = framingOf(head, user.method);
    this.#hasServed = true;
    this.#head = head;
    this.#framing = framing;
    if (framing.isComplete) {
      user.onResponse(head, emptyBody());
      return;
    }
    const body = new ResponseBody({
      // TLS delivers what it has decrypted although reading was stopped: into a block that the reader has still.
      canBeCut: framing.isContiguous && !this.#isSecure,
      isLent: user.lends(head),
      announced: framing.expected,
      wanted: () => this.#onWanted(),
      givenUp: () => this.destroy(),
    });
    this.#body = body;
    user.onResponse(head, body);
  }

  #onWanted(): void {
    if (!this.#isReaderBehind) return;
    this.#isReaderBehind = false;
    // The silence so far was the reader's.
    if (this.#watchedMs > 0) this.socket.setTimeout(this.#watchedMs);
    this.socket.resume();
  }

  /** `isAlone`: nothing was read behind the response. */
  #complete({ isAlone }: { isAlone: boolean }): void {
    const [user, head] = [this.#user, this.#head];
    this.#body?.finish();
    this.#user = this.#head = this.#framing = this.#body = undefined;
    this.#interimBytes = 0;
    this.#onWanted();
    user?.onComplete();
    // With the rest of a request still unsent, the connection is of no further use.
    if (!isAlone || head?.keepsAlive !== true || !this.isUsable || this.unsentBytes > 0) this.destroy();
    else {
      this.socket.unref();
      // Whether the response was alone shows with the next read.
      if (this.#mayHaveMore) setImmediate(() => this.#becomeFree(head));
      else this.#onFree(this, head);
    }
  }

  #becomeFree(head: ResponseHead): void {
    if (this.isUsable) this.#onFree(this, head);
  }

  #onEnd(): void {
    if (this.#framing?.endsWithConnection === true && this.#error === undefined) this.#complete({ isAlone: true });
    this.destroy();
  }

  #onClose(): void {
    const [user, body] = [this.#user, this.#body];
    this.#user = this.#body = undefined;
    user?.onClosed(this.#error);
    body?.destroy(this.#error ?? new Error('the connection was closed'));
  }
}
