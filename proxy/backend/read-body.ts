/**
 * Backend answers that are read whole: listings, error documents, small objects. Bounded, so that a broken or hostile
 * store cannot fill the memory; and the one way to drop a body that nobody wants.
 */
import type { Readable } from 'node:stream';
import { BACKEND_DRAIN_BYTES } from '../limits.ts';
import { type BackendResponse, BackendUnavailable } from './backend.ts';

/**
 * The whole body, at most `maxBytes`.
 * @throws BackendUnavailable when the body breaks off, or is longer than `maxBytes` (the rest is not read).
 */
export async function readBody(response: BackendResponse, o: { maxBytes: number }): Promise<Buffer> {
  return alone(inOne(await readPieces(response, o)));
}

interface LentReading {
  readonly maxBytes: number;
  /** Is told of each piece as it comes. */
  readonly onPiece?: ((piece: Buffer) => void) | undefined;
  /** Bytes beyond `maxBytes` are dropped without an error. */
  readonly dropsRest?: boolean;
}

/** The same of a body that was asked for as lent, which the caller gives back when it has no more use for what this returns. */
export async function readLent(response: BackendResponse, o: LentReading): Promise<Buffer> {
  return inOne(await readPieces(response, o));
}

async function readPieces(response: BackendResponse, o: LentReading): Promise<readonly Buffer[]> {
  const announced = Number(response.headers['content-length'] ?? 0);
  if (announced > o.maxBytes && o.dropsRest !== true) {
    destroyQuietly(response.body);
    throw new BackendUnavailable(`its answer announces ${announced} bytes where at most ${o.maxBytes} are accepted`);
  }
  const whole = response.body.takeWhole?.();
  if (whole !== undefined) {
    if (whole.length > o.maxBytes && o.dropsRest !== true) throw tooLong(o.maxBytes);
    const wanted = whole.subarray(0, o.maxBytes);
    o.onPiece?.(wanted);
    return [wanted];
  }
  try {
    return await collect(response.body, o);
  } catch (cause) {
    destroyQuietly(response.body);
    if (cause instanceof BackendUnavailable || isAbort(cause)) throw cause;
    throw new BackendUnavailable('its answer broke off', { cause });
  }
}

/** Uses events: for a short answer, iterating would cost more than the rest of reading it. */
function collect(body: Readable, { maxBytes, onPiece, dropsRest }: LentReading): Promise<Buffer[]> {
  return new Promise((resolve, reject) => {
    const pieces: Buffer[] = [];
    /** Since the last that were joined. */
    let recent: Buffer[] = [];
    let length = 0;
    const ended = () => resolve([...pieces, ...recent]);
    if (body.errored !== null) return reject(body.errored);
    if (body.readableEnded) return ended();
    if (body.destroyed) return reject(new Error('the body was given up'));
    body.on('data', (read: Buffer) => {
      const isTooLong = length + read.length > maxBytes;
      if (isTooLong && dropsRest !== true) return reject(tooLong(maxBytes));
      const piece = read.subarray(0, maxBytes - length);
      length += piece.length;
      onPiece?.(piece);
      recent.push(piece);
      if (isTooLong) {
        ended();
        body.destroy();
      } else if (recent.length >= PIECES_AT_ONCE) {
        // A store may send single bytes, each of which would take a hundred.
        pieces.push(inOne(recent));
        recent = [];
      }
      return undefined;
    });
    body.once('end', ended);
    body.once('error', reject);
    body.once('close', () => {
      if (!body.readableEnded) reject(body.errored ?? new Error('the connection was closed'));
    });
    return undefined;
  });
}

/** Pieces that lie one behind the other in the same memory need not be joined. */
function inOne(pieces: readonly Buffer[]): Buffer {
  const [first] = pieces;
  if (first === undefined) return NOTHING;
  let end = first.byteOffset;
  const areOne = pieces.every((piece) => {
    const follows = piece.buffer === first.buffer && piece.byteOffset === end;
    end += piece.length;
    return follows;
  });
  return areOne ? Buffer.from(first.buffer, first.byteOffset, end - first.byteOffset) : Buffer.concat(pieces);
}

/** Copies the bytes out of the memory around them: a few bytes that are kept must not hold the buffer of a whole read. */
function alone(body: Buffer): Buffer {
  const around = body.buffer.byteLength;
  return around > Buffer.poolSize && around > 2 * body.length ? Buffer.from(body) : body;
}

const NOTHING = Buffer.alloc(0);

/** Pieces that are kept as they came, before they are joined. */
const PIECES_AT_ONCE = 1024;

function tooLong(maxBytes: number): BackendUnavailable {
  return new BackendUnavailable(`its answer is longer than ${maxBytes} bytes`);
}

/** Drops a body. A short one is read to its end, which keeps the connection; a longer or unbounded one is cut. */
export function discard(response: BackendResponse): void {
  const { body, headers } = response;
  if (body.takeWhole?.() !== undefined) return;
  const announced = headers['content-length'];
  body.on('error', ignore);
  if (announced === undefined || Number(announced) > BACKEND_DRAIN_BYTES) body.destroy();
  else body.resume();
}

function destroyQuietly(body: Readable): void {
  body.on('error', ignore);
  body.destroy();
}

/** An abort is the caller's own doing and keeps its reason. */
function isAbort(cause: unknown): boolean {
  return cause instanceof Error && (cause.name === 'AbortError' || cause.name === 'TimeoutError');
}

function ignore(): void {}
