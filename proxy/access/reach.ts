/**
 * Questions about whole policies: what a principal could reach at all, and whether one policy allows everything that another
 * one allows. The first errs towards yes, for names alone; the second towards no.
 */
import { livesAsLong, type OperatorTerms } from '../keyring/slots/slot-terms.ts';
import { ACTION_GROUPS } from './actions.ts';
import type { Principal } from './decide.ts';
import { BucketPattern, ObjectPattern } from './patterns.ts';
import type { Policy, ResourcePattern, Statement } from './policy.ts';
import { policyOfSlot } from './slot-policy.ts';

/** Whether the principal could do anything to the bucket or in it: whether ListBuckets shows the bucket. */
export function couldReach({ policies }: Pick<Principal, 'policies'>, bucket: string): boolean {
  return policies.every(
    ({ statements }) =>
      statements.some((one) => mayReach(one, bucket)) && !statements.some((one) => deniesAll(one, bucket)),
  );
}

const OF_BUCKETS = (
  ['bucketRead', 'bucketList', 'bucketWrite', 'objectRead', 'objectWrite', 'lockOverride'] as const
).flatMap((group) => ACTION_GROUPS[group]);

function mayReach({ effect, actions, resources }: Statement, bucket: string): boolean {
  if (effect !== 'allow' || !resources.some((pattern) => pattern.mayReach(bucket))) return false;
  return OF_BUCKETS.some((action) => actions.has(action));
}

function deniesAll({ effect, actions, resources, conditions }: Statement, bucket: string): boolean {
  if (effect !== 'deny' || conditions.length > 0 || OF_BUCKETS.some((action) => !actions.has(action))) return false;
  const whole = [new BucketPattern(bucket), new ObjectPattern(bucket, '')];
  return whole.every((part) => resources.some((pattern) => pattern.contains(part)));
}

type Terms = Pick<OperatorTerms, 'grants' | 'policy' | 'expires'>;

/**
 * Whether one key may act on another of its tenant: never on one that could do more, or live longer, than itself, so that neither
 * creating, nor reactivating, nor deleting widens what a restricted key can bring about.
 */
export function keyCovers(own: Terms, other: Terms): boolean {
  return livesAsLong(own, other) && policyCovers(policyOfSlot(own), policyOfSlot(other));
}

/**
 * Whether `own` surely allows everything that `other` allows: each Allow of the other lies within one Allow of its own, and
 * no Deny of its own could take any of that away.
 */
function policyCovers(own: Policy, other: Policy): boolean {
  const allowing = (policy: Policy) => policy.statements.filter(({ effect }) => effect === 'allow');
  if (allowing(own).length < own.statements.length) return own === other;
  return allowing(other).every((theirs) => allowing(own).some((mine) => contains(mine, theirs)));
}

function contains(mine: Statement, theirs: Statement): boolean {
  return (
    [...theirs.actions].every((action) => mine.actions.has(action)) &&
    theirs.resources.every((pattern: ResourcePattern) => mine.resources.some((one) => one.contains(pattern))) &&
    mine.conditions.every((condition) => theirs.conditions.some((one) => condition.isImpliedBy(one)))
  );
}
