/**
 * The Merkle tree of RFC 6962 section 2.1 that only grows: of its leaves the hashes of the complete subtrees are kept, at most one
 * for each bit of the size, so that a server continues a tree of millions without reading it.
 */
import { createHash } from 'node:crypto';

const LEAF = Buffer.of(0);
const NODE = Buffer.of(1);

export class MerkleTree {
  #size: number;
  /** Roots of the complete subtrees, the largest first. */
  readonly #subtrees: Buffer[];

  /** An empty tree, or one of `size` leaves with these complete subtrees. @throws RangeError when the two do not fit */
  constructor(of: { readonly size: number; readonly subtrees: readonly Buffer[] } = { size: 0, subtrees: [] }) {
    const isSize = Number.isSafeInteger(of.size) && of.size >= 0;
    const fits = isSize && of.subtrees.length === bitsSet(of.size) && of.subtrees.every(({ length }) => length === 32);
    if (!fits) throw new RangeError('The subtrees are not those of a tree of that size.');
    this.#size = of.size;
    this.#subtrees = [...of.subtrees];
  }

  get size(): number {
    return this.#size;
  }

  get subtrees(): readonly Buffer[] {
    return this.#subtrees;
  }

  append(leaf: Buffer): void {
    let hash = sha256(LEAF, leaf);
    for (let size = this.#size; size % 2 === 1; size = Math.floor(size / 2)) {
      const left = this.#subtrees.pop();
      if (left === undefined) throw new Error('a subtree is missing');
      hash = sha256(NODE, left, hash);
    }
    this.#subtrees.push(hash);
    this.#size += 1;
  }

  /** 32 bytes. */
  root(): Buffer {
    const last = this.#subtrees.at(-1);
    if (last === undefined) return sha256();
    return this.#subtrees.slice(0, -1).reduceRight((right, left) => sha256(NODE, left, right), last);
  }
}

function sha256(...parts: readonly Buffer[]): Buffer {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
}

function bitsSet(size: number): number {
  let bits = 0;
  for (let rest = size; rest > 0; rest = Math.floor(rest / 2)) bits += rest % 2;
  return bits;
}
