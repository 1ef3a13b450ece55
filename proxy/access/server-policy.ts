/**
 * The server's own rules, which limit every caller whatever its slot says: nobody reaches the state bucket, and keys are
 * changed over IAM's API only where that is switched on and safe.
 */
import { ACTION_GROUPS, ACTIONS } from './actions.ts';
import { EVERYTHING, WholeBucketPattern } from './patterns.ts';
import { type Condition, Policy, type ResourcePattern, type Statement } from './policy.ts';

/** Sids of the refusals, for whoever has to put them into words. */
export const SELF_SERVICE_OFF = 'self-service-off';
export const NO_CONDITIONAL_WRITES = 'no-conditional-writes';
export const NO_SESSIONS = 'no-sessions';

export function serverPolicy(o: {
  /** Of this program alone: the state, and the audit where it has a bucket of its own. */
  ownBuckets: readonly string[];
  /** Whether keys may be changed over IAM's API. */
  selfService: boolean;
  /** Without compare-and-swap two changes at once would lose one, and with it the key that was just handed out. */
  conditionalWrites: boolean;
  /** Without PUT If-None-Match two replicas would each make a day's secret, and half of the sessions would open nothing. */
  sessions: boolean;
}): Policy {
  return new Policy('server', [
    { sid: 'everything', effect: 'allow', actions: new Set(ACTIONS), resources: [EVERYTHING], conditions: [] },
    ...o.ownBuckets.map((bucket) => deny('state-bucket', ACTIONS, new WholeBucketPattern(bucket))),
    { ...deny('own-reach', ACTION_GROUPS.ownUserWrite, EVERYTHING), conditions: [BEYOND_OWN_REACH] },
    ...(o.selfService ? [] : [deny(SELF_SERVICE_OFF, ACTION_GROUPS.ownUserWrite, EVERYTHING)]),
    ...(o.conditionalWrites ? [] : [deny(NO_CONDITIONAL_WRITES, ACTION_GROUPS.ownUserWrite, EVERYTHING)]),
    ...(o.sessions
      ? []
      : [deny(NO_SESSIONS, [...ACTION_GROUPS.ownSessions, ...ACTION_GROUPS.webIdentity], EVERYTHING)]),
  ]);
}

/** A key never changes one that reaches further, whatever its own policy says. */
const BEYOND_OWN_REACH: Condition = {
  holds: (context) => context.get('sealgate:KeyReach') === 'beyond',
  isImpliedBy: (other) => other === BEYOND_OWN_REACH,
};

function deny(sid: string, actions: readonly (typeof ACTIONS)[number][], resource: ResourcePattern): Statement {
  return { sid, effect: 'deny', actions: new Set(actions), resources: [resource], conditions: [] };
}
