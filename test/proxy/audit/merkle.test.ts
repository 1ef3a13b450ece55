// Protects: the roots that checkpoints name are those of RFC 6962, whatever the size, and a tree that is continued is the same tree.
import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { MerkleTree } from '../../../proxy/audit/format/merkle.ts';

const sha256 = (...parts: Buffer[]) => createHash('sha256').update(Buffer.concat(parts)).digest();

/** MTH as section 2.1 writes it. */
function reference(leaves: readonly Buffer[]): Buffer {
  const [only] = leaves;
  if (only === undefined) return sha256();
  if (leaves.length === 1) return sha256(Buffer.of(0), only);
  let half = 1;
  while (2 * half < leaves.length) half *= 2;
  return sha256(Buffer.of(1), reference(leaves.slice(0, half)), reference(leaves.slice(half)));
}

// Leaves and roots of the reference implementation of Certificate Transparency.
const LEAVES = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f'];
const ROOTS: Readonly<Record<number, string>> = {
  0: 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
  1: '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  2: 'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  3: 'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
  8: '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
};

test('roots of the known leaves', () => {
  const tree = new MerkleTree();
  const roots: Record<number, string> = { 0: tree.root().toString('hex') };
  for (const leaf of LEAVES) {
    tree.append(Buffer.from(leaf, 'hex'));
    roots[tree.size] = tree.root().toString('hex');
  }
  expect(roots).toMatchObject(ROOTS);
});

test('every size up to 130, appended one by one, and continued at every size', () => {
  const leaves = Array.from({ length: 130 }, (_, at) => Buffer.from(`leaf ${at}`));
  const tree = new MerkleTree();
  leaves.forEach((leaf, at) => {
    const continued = new MerkleTree({ size: tree.size, subtrees: tree.subtrees });
    for (const one of [tree, continued]) one.append(leaf);
    expect(tree.root()).toEqual(reference(leaves.slice(0, at + 1)));
    expect(continued.root()).toEqual(tree.root());
  });
});

test('subtrees that are not those of the size are refused', () => {
  const hash = sha256();
  for (const [size, subtrees] of [
    [1, []],
    [0, [hash]],
    [3, [hash]],
    [4, [hash, hash]],
    [1, [hash.subarray(1)]],
    [-1, []],
  ] as const) {
    expect([size, () => new MerkleTree({ size, subtrees })][1]).toThrow(RangeError);
  }
});
