/**
 * Makes V8 collect the buffers that bodies leave behind. These buffers lie outside the heap of V8. V8 collects new objects when the
 * few bytes that they take in the heap fill the new space, or when more than 32 MiB of buffers hang on them. Buffers in use at that
 * moment count as old afterwards. With more frequent collections there are few of them: forty MiB less under eight streams, at no
 * cost that could be measured (docs/performance.md, memory).
 */
import v8 from 'node:v8';
import { runInNewContext } from 'node:vm';
import { YOUNG_BUFFER_BYTES } from '../limits.ts';

/** Collects the new space of this isolate. */
export function collectYoung(): void {
  collector ??= exposedCollector();
  collector({ type: 'minor' });
}

export class YoungBuffers {
  readonly #collect: () => void;
  #bytes = 0;

  constructor(collect: () => void) {
    this.#collect = collect;
  }

  /** Call it for every buffer of a body that was handed on. */
  handedOn(length: number): void {
    this.#bytes += length;
    if (this.#bytes < YOUNG_BUFFER_BYTES) return;
    this.#bytes = 0;
    // Not at once: the caller still holds the buffer.
    setImmediate(this.#collect);
  }
}

export const youngBuffers = new YoungBuffers(collectYoung);

type Collector = (o: { type: 'minor' }) => void;

let collector: Collector | undefined;

function exposedCollector(): Collector {
  v8.setFlagsFromString('--expose-gc');
  const found = runInNewContext('gc') as Collector;
  v8.setFlagsFromString('--no-expose-gc');
  return found;
}
