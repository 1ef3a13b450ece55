/**
 * Protects: the rule by which one key may act on another, against the one place that decides. Whatever the other key may do to
 * any bucket, listing or object, the acting key may do too; and a rule that refused everything would be noticed.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ACTIONS } from '../../../proxy/access/actions.ts';
import { contextOf } from '../../../proxy/access/context.ts';
import { decide } from '../../../proxy/access/decide.ts';
import { policyOfGrants } from '../../../proxy/access/grants-policy.ts';
import { couldReach, keyCovers } from '../../../proxy/access/reach.ts';
import { bucketResource, objectResource, type Resource } from '../../../proxy/access/resource.ts';
import { serverPolicy } from '../../../proxy/access/server-policy.ts';
import type { Grant } from '../../../proxy/keyring/grants.ts';

const PREFIXES = ['', 'p', 'p/', 'p/q', 'q'];
const grant = fc.record<Grant>({
  bucket: fc.constantFrom('*', 'aaa', 'bbb'),
  prefix: fc.constantFrom(...PREFIXES),
  access: fc.constantFrom('read-write', 'read-only'),
});
const grants = fc.array(grant, { maxLength: 3 });
const covers = (own: readonly Grant[], other: readonly Grant[]) =>
  keyCovers({ grants: [...own], policy: null, expires: null }, { grants: [...other], policy: null, expires: null });

/** Buckets and keys that tell all of these grants apart. */
const BUCKETS = ['aaa', 'bbb', 'ccc'];
const KEYS = ['', 'p', 'px', 'p/', 'p/x', 'p/q', 'p/qx', 'q', 'x'];

/** Everything that grants allow there. */
function reach(of: readonly Grant[]): ReadonlySet<string> {
  const reached = new Set<string>();
  const principal = { policies: [policyOfGrants(of)] as const };
  const ask = (resource: Resource, prefix?: string) => {
    const context = contextOf({ 's3:prefix': () => prefix });
    for (const action of ACTIONS) {
      const { effect } = decide(principal, action, resource, context);
      if (effect === 'allow') reached.add(`${action} ${resource.arn} ${prefix}`);
    }
  };
  for (const bucket of BUCKETS) {
    ask(bucketResource(bucket));
    for (const prefix of KEYS) ask(bucketResource(bucket), prefix);
    for (const key of KEYS) ask(objectResource({ bucket, key }));
  }
  return reached;
}

test('a key that acts on another reaches all that the other reaches', () => {
  let [covered, refused] = [0, 0];
  fc.assert(
    fc.property(grants, grants, (own, other) => {
      if (!covers(own, other)) {
        refused += 1;
        return;
      }
      covered += 1;
      const mine = reach(own);
      for (const one of reach(other)) expect(mine.has(one), one).toBe(true);
    }),
    { numRuns: 500 },
  );
  expect(covered).toBeGreaterThan(25);
  expect(refused).toBeGreaterThan(25);
});

test('one grant covers another exactly where it reaches as far', () => {
  for (const own of everyGrant()) {
    const mine = reach([own]);
    for (const other of everyGrant()) {
      const all = [...reach([other])].every((one) => mine.has(one));
      expect([own, other, covers([own], [other])]).toEqual([own, other, all]);
    }
  }
});

function everyGrant(): Grant[] {
  const access = ['read-write', 'read-only'] as const;
  const places = ['*', 'aaa'].flatMap((bucket) => PREFIXES.map((prefix) => ({ bucket, prefix })));
  return places.flatMap((place) => access.map((one) => ({ ...place, access: one })));
}

test('every key covers itself, and one with fewer grants', () => {
  fc.assert(fc.property(grants, (own) => covers(own, own) && covers(own, own.slice(1))));
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
  const ending = (expires: string | null) => ({ grants: [], policy: null, expires });
  expect(keyCovers(ending(own), ending(other))).toBe(may);
});

test('a bucket is shown exactly where something in it could be reached', () => {
  const server = serverPolicy({ ownBuckets: ['bbb'], selfService: true, conditionalWrites: true, sessions: true });
  fc.assert(
    fc.property(grants, (own) => {
      const reached = [...reach(own)];
      const principal = { policies: [server, policyOfGrants(own)] as const };
      for (const bucket of BUCKETS) {
        const some = bucket !== 'bbb' && reached.some((one) => one.includes(`:::${bucket}`));
        expect([bucket, couldReach(principal, bucket)]).toEqual([bucket, some]);
      }
    }),
    { numRuns: 100 },
  );
});
