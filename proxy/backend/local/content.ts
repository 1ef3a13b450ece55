/**
 * The bytes of a stored body as a stream. A file that was opened stays readable when its object is replaced; a read over
 * many files pins them in the index instead of holding them all open. Streams in pieces, at the reader's pace.
 */
import type { FileHandle } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { LOCAL_IO_BYTES, LOCAL_OPEN_FILES_PER_READ } from '../../limits.ts';
import { BackendUnavailable } from '../backend.ts';
import type { Span } from './range.ts';
import type { Store } from './store.ts';

/** Bytes from memory, from an open file, or from a pinned file that is opened when its turn comes. */
type Segment =
  | { readonly bytes: Buffer }
  | { readonly handle: FileHandle; readonly start: number; readonly length: number }
  | { readonly file: string; readonly start: number; readonly length: number };

interface Slice {
  readonly file: string | null;
  readonly data: Uint8Array | null;
  readonly start: number;
  readonly length: number;
}

/** @returns undefined when the body is gone: its object was replaced since it was looked up. */
export async function openContent(store: Store, body: number, span: Span): Promise<Readable | undefined> {
  const slices = slicesOf(store, body, span);
  if (slices === undefined) return undefined;
  const [only] = slices;
  if (only === undefined) return Readable.from([]);
  if (slices.length === 1 && only.data !== null) return Readable.from([inlineBytes(only)]);
  const files = slices.filter((slice) => slice.file !== null);
  return files.length <= LOCAL_OPEN_FILES_PER_READ ? openAll(store, slices) : pinAll(store, slices);
}

function slicesOf(store: Store, body: number, span: Span): readonly Slice[] | undefined {
  if (span.start === span.end) return [];
  const row = store.index.body(body);
  if (row === undefined) return undefined;
  const length = span.end - span.start;
  if (row.file !== null || row.data !== null) return [{ file: row.file, data: row.data, start: span.start, length }];
  const slices = store.index.pieces(body, span.start, span.end).map((piece) => {
    const from = Math.max(span.start, piece.position);
    const to = Math.min(span.end, piece.position + piece.length);
    return { file: piece.file, data: piece.data, start: piece.start + from - piece.position, length: to - from };
  });
  // The two look-ups are two snapshots: a body that went in between has lost its pieces.
  return slices.reduce((sum, slice) => sum + slice.length, 0) === length ? slices : undefined;
}

async function openAll(store: Store, slices: readonly Slice[]): Promise<Readable | undefined> {
  const segments: Segment[] = [];
  const closeAll = async (): Promise<void> => {
    await Promise.all(segments.map((segment) => ('handle' in segment ? segment.handle.close() : undefined)));
  };
  try {
    for (const slice of slices) {
      if (slice.file === null) {
        segments.push({ bytes: inlineBytes(slice) });
        continue;
      }
      const handle = await store.blobs.open(slice.file);
      if (handle === undefined) {
        await closeAll();
        return undefined;
      }
      segments.push({ handle, start: slice.start, length: slice.length });
    }
  } catch (error) {
    await closeAll();
    throw error;
  }
  return new ContentStream(store, segments, async () => undefined);
}

let nextPin = 1;

async function pinAll(store: Store, slices: readonly Slice[]): Promise<Readable | undefined> {
  const pin = nextPin++;
  const files = new Set(slices.flatMap(({ file }) => file ?? []));
  if (!(await store.writer.run('pin', { pin, files: [...files] }))) return undefined;
  const segments = slices.map((slice): Segment => {
    if (slice.file === null) return { bytes: inlineBytes(slice) };
    return { file: slice.file, start: slice.start, length: slice.length };
  });
  // A pin that cannot be taken back now is dropped when the store is next opened.
  const unpin = (): Promise<void> => store.writer.run('unpin', { pin }).catch(() => undefined);
  return new ContentStream(store, segments, unpin);
}

function inlineBytes({ data, start, length }: Slice): Buffer {
  if (data === null) throw new Error('an inline body without bytes');
  return Buffer.from(data.buffer, data.byteOffset + start, length);
}

class ContentStream extends Readable {
  readonly #store: Store;
  readonly #segments: readonly Segment[];
  readonly #release: () => Promise<void>;
  #current = 0;
  #offset = 0;
  #opened: FileHandle | undefined;
  #reading: Promise<unknown> = Promise.resolve();

  constructor(store: Store, segments: readonly Segment[], release: () => Promise<void>) {
    super({ highWaterMark: 2 * LOCAL_IO_BYTES });
    this.#store = store;
    this.#segments = segments;
    this.#release = release;
  }

  override _read(): void {
    this.#reading = this.#next().then(
      (chunk) => this.push(chunk),
      (cause) => this.destroy(cause instanceof Error ? cause : new Error(String(cause))),
    );
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#closeAll().then(
      () => callback(error),
      (cause) => callback(error ?? cause),
    );
  }

  async #next(): Promise<Buffer | null> {
    const segment = this.#segments[this.#current];
    if (segment === undefined) return null;
    if ('bytes' in segment) {
      this.#current++;
      return segment.bytes;
    }
    const handle = 'handle' in segment ? segment.handle : await this.#openPinned(segment.file);
    const wanted = Math.min(LOCAL_IO_BYTES, segment.length - this.#offset);
    const chunk = Buffer.allocUnsafeSlow(wanted);
    const { bytesRead } = await handle.read(chunk, 0, wanted, segment.start + this.#offset);
    if (bytesRead === 0) throw new BackendUnavailable('a stored body is shorter than the index says');
    this.#offset += bytesRead;
    if (this.#offset === segment.length) {
      this.#current++;
      this.#offset = 0;
      await this.#closePinned();
    }
    return bytesRead === wanted ? chunk : chunk.subarray(0, bytesRead);
  }

  async #openPinned(file: string): Promise<FileHandle> {
    this.#opened ??= await this.#store.blobs.open(file);
    if (this.#opened === undefined) throw new BackendUnavailable('a stored body is missing');
    return this.#opened;
  }

  async #closePinned(): Promise<void> {
    const opened = this.#opened;
    this.#opened = undefined;
    await opened?.close();
  }

  async #closeAll(): Promise<void> {
    await this.#reading;
    await this.#closePinned();
    await Promise.all(this.#segments.map((segment) => ('handle' in segment ? segment.handle.close() : undefined)));
    await this.#release();
  }
}
