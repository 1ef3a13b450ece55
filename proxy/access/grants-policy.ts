/**
 * Grants as a policy. A grant is a shorthand: a bucket or all of them, a prefix, reading or writing. With a prefix it allows
 * the objects and listings below the prefix, and reading the bucket's settings. Without one, and with writing, it allows the
 * whole bucket: its settings, and what overrides object locks.
 */
import type { Grant } from '../keyring/grants.ts';
import { ACTION_GROUPS, type Action, type ActionGroup } from './actions.ts';
import type { Context } from './context.ts';
import { ArnPattern, BucketPattern, ObjectPattern, OWN_USER } from './patterns.ts';
import { type Condition, Policy, type ResourcePattern, type Statement } from './policy.ts';
import { ALL_BUCKETS } from './resource.ts';

/** By the list itself, which is the keyring's own: compiled once for as long as the keyring is kept in memory. */
const compiled = new WeakMap<readonly Grant[], Policy>();

/** The policy of a slot. */
export function policyOfGrants(grants: readonly Grant[]): Policy {
  let policy = compiled.get(grants);
  if (policy === undefined) {
    policy = new Policy('key', [...OF_EVERY_KEY, ...grants.flatMap(statementsOf)]);
    compiled.set(grants, policy);
  }
  return policy;
}

/** Holds for listings below a prefix, and for what is no listing. */
class ListedBelow implements Condition {
  readonly #prefix: string;

  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  holds(context: Context): boolean {
    return context.get('s3:prefix')?.startsWith(this.#prefix) ?? true;
  }

  isImpliedBy(other: Condition): boolean {
    return other instanceof ListedBelow && other.#prefix.startsWith(this.#prefix);
  }
}

/** A key changes only keys that reach no further than itself; before that key is known, the question is only who asks. */
const WITHIN_OWN_REACH: Condition = {
  holds: (context) => context.get('sealgate:KeyReach') !== 'beyond',
  isImpliedBy: (other) => other === WITHIN_OWN_REACH,
};

const OF_EVERY_KEY: readonly Statement[] = [
  allow('any-key', ['listBuckets'], [new ArnPattern(ALL_BUCKETS)]),
  allow('own-keys', ['ownUserRead', 'ownSessions'], [OWN_USER]),
  allow('own-keys', ['ownUserWrite'], [OWN_USER], [WITHIN_OWN_REACH]),
];

function statementsOf({ bucket, prefix, access }: Grant, index: number): Statement[] {
  const sid = `grant-${index + 1}`;
  const writes = access === 'read-write';
  const [itself, objects] = [[new BucketPattern(bucket)], [new ObjectPattern(bucket, prefix)]];
  return [
    allow(sid, writes ? ['objectRead', 'objectWrite'] : ['objectRead'], objects),
    allow(sid, ['bucketRead'], itself),
    allow(sid, ['bucketList'], itself, prefix === '' ? [] : [new ListedBelow(prefix)]),
    ...(writes && prefix === '' ? [allow(sid, ['bucketWrite'], itself), allow(sid, ['lockOverride'], objects)] : []),
  ];
}

function allow(
  sid: string,
  groups: readonly ActionGroup[],
  resources: readonly ResourcePattern[],
  conditions: readonly Condition[] = [],
): Statement {
  const actions = new Set<Action>(groups.flatMap((group) => [...ACTION_GROUPS[group]]));
  return { sid, effect: 'allow', actions, resources, conditions };
}
