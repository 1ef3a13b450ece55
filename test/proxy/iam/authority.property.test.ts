/**
 * Protects: the rule by which one key may act on another, against the one place that decides what grants allow: whatever
 * the other key may do to any object, the acting one may do too, and a rule that refused everything would be noticed.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { mayAccess, mayConfigure } from '../../../proxy/access/authorise.ts';
import { termsCover } from '../../../proxy/iam/authority.ts';
import type { Grant } from '../../../proxy/keyring/grants.ts';

const BUCKETS = ['*', 'aaa', 'bbb'];
const PREFIXES = ['', 'p', 'p/', 'p/q', 'q'];
const grant = fc.record<Grant>({
  bucket: fc.constantFrom(...BUCKETS),
  prefix: fc.constantFrom(...PREFIXES),
  access: fc.constantFrom('read-write', 'read-only'),
});
const grants = fc.array(grant, { maxLength: 3 });

/** Everything that grants can decide, over buckets and keys that tell all of these grants apart. */
function reach(of: readonly Grant[]): ReadonlySet<string> {
  const reached = new Set<string>();
  for (const bucket of ['aaa', 'bbb', 'ccc']) {
    for (const key of ['', 'p', 'px', 'p/', 'p/x', 'p/q', 'p/qx', 'q', 'x']) {
      for (const access of ['read', 'write'] as const) {
        if (mayAccess(of, access, { bucket, key }, 'state')) reached.add(`${access} ${bucket}/${key}`);
      }
    }
    if (mayConfigure(of, bucket, 'state')) reached.add(`configure ${bucket}`);
  }
  return reached;
}

test('a key that acts on another reaches all that the other reaches', () => {
  let [covered, refused] = [0, 0];
  fc.assert(
    fc.property(grants, grants, (own, other) => {
      if (!termsCover({ grants: own, expires: null }, { grants: other, expires: null })) {
        refused += 1;
        return;
      }
      covered += 1;
      const mine = reach(own);
      for (const one of reach(other)) expect(mine.has(one)).toBe(true);
    }),
    { numRuns: 2000 },
  );
  expect(covered).toBeGreaterThan(100);
  expect(refused).toBeGreaterThan(100);
});

test('every key covers itself, and one with fewer grants', () => {
  fc.assert(
    fc.property(grants, (own) => {
      expect(termsCover({ grants: own, expires: null }, { grants: own.slice(1), expires: null })).toBe(true);
    }),
  );
});

const [EARLY, LATE] = ['2026-01-01T00:00:00Z', '2026-01-02T00:00:00Z'];
test.each([
  [null, null, true],
  [null, EARLY, true],
  [EARLY, null, false],
  [EARLY, EARLY, true],
  [LATE, EARLY, true],
  [EARLY, LATE, false],
])('a key that ends at %s acts on one that ends at %s: %s', (own, other, may) => {
  expect(termsCover({ grants: [], expires: own }, { grants: [], expires: other })).toBe(may);
});
