/**
 * XXH64, XXH3 (64 bits) and XXH128, seed 0, in the canonical byte order of their specification: most significant byte first.
 *
 * The library makes a WebAssembly instance asynchronously, and each holds a memory of its own. So there is one instance for each
 * algorithm in a process, made when this module is loaded, and hashers take turns: whoever continues puts its state back first.
 */
import { createXXHash3, createXXHash64, createXXHash128, type IHasher } from 'hash-wasm';

export type XxHashName = 'XXHASH64' | 'XXHASH3' | 'XXHASH128';

/** A WebAssembly instance, and the hasher whose state it has at the moment. */
interface Engine {
  readonly hasher: IHasher;
  current: XxHash | undefined;
}

const ENGINES: Readonly<Record<XxHashName, Engine>> = {
  XXHASH64: { hasher: await createXXHash64(), current: undefined },
  XXHASH3: { hasher: await createXXHash3(), current: undefined },
  XXHASH128: { hasher: await createXXHash128(), current: undefined },
};

export class XxHash {
  readonly #engine: Engine;
  /** The state of this hasher while another one uses the engine. Absent before the first byte. */
  #state: Uint8Array | undefined;
  #ended = false;

  constructor(algorithm: XxHashName) {
    this.#engine = ENGINES[algorithm];
  }

  update(data: Buffer): void {
    this.#takeTurn().update(data);
  }

  /** Raw bytes, most significant first. Ends the hasher. */
  digest(): Buffer {
    const value = Buffer.from(this.#takeTurn().digest('binary'));
    this.#engine.current = undefined;
    this.#ended = true;
    return value;
  }

  #takeTurn(): IHasher {
    if (this.#ended) throw new Error('The hasher has ended.');
    const { hasher, current } = this.#engine;
    if (current === this) return hasher;
    if (current !== undefined) current.#state = hasher.save();
    this.#engine.current = this;
    if (this.#state === undefined) return hasher.init();
    return hasher.load(this.#state);
  }
}
