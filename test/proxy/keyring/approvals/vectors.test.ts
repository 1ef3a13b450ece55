// Protects: requests and approvals that are in the buckets of others. What counts, and what refuses it, stays as
// test/vectors/keyring/approvals.json says, byte for byte; the independent reader finds the same (test/crypto/vectors.test.ts runs it).
import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { type ApprovalVector, makeApprovalVectors, resultOf } from '../../../helpers/approval-vectors.ts';

const text = await readFile(new URL('../../../vectors/keyring/approvals.json', import.meta.url), 'utf8');
const vectors: readonly ApprovalVector[] = JSON.parse(text);

test('the vectors are those that are made now', async () => {
  expect(await makeApprovalVectors()).toEqual(vectors);
});

test('there are vectors of every outcome', () => {
  const kinds = vectors.map(({ result }) => (typeof result === 'string' ? result : String(result.approvedBy.length)));
  expect([...new Set(kinds)].sort()).toEqual(['0', '1', '2', 'approvers', 'approvers-older', 'request']);
});

test.each(vectors)('$name', async (vector) => {
  expect(await resultOf(vector)).toEqual(vector.result);
});
