/**
 * Has V8 collect what bodies leave behind. Their buffers lie outside of its heap: it collects new objects when their own few
 * bytes fill the new space, or when more than 32 MiB hang on them, and those that were in use at that moment count as old from
 * then on. Collected more often, they are few: forty MiB less under eight streams, at no cost that could be measured
 * (docs/performance.md, memory).
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

  /** To be told of every buffer of a body that was handed on. */
  handedOn(length: number): void {
    this.#bytes += length;
    if (this.#bytes < YOUNG_BUFFER_BYTES) return;
    this.#bytes = 0;
    // Not now: the one who hands it on has it still.
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
