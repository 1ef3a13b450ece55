/**
 * What limits a session beside the slot that it was issued from: rules for every session, and the policy that its caller gave it. A
 * caller's own tags and name are seen by the caller's policy alone; what a slot or a role decides never hangs on them.
 */
import type { Credential, SessionCredential } from '../keyring/sessions/session-credential.ts';
import { ACTION_GROUPS, ACTIONS, type Action } from './actions.ts';
import type { Context, ContextKey, ContextValues } from './context.ts';
import { compilePolicy } from './language/compile.ts';
import { principalTagKey } from './language/condition-keys.ts';
import { MalformedPolicyDocument } from './language/malformed.ts';
import { EVERYTHING } from './patterns.ts';
import { type Judge, Policy, type Verdict } from './policy.ts';
import type { Resource } from './resource.ts';

const NAME = 'session';
/** Of a policy that cannot be understood, as one that a newer version took. */
const NOTHING = new Policy(NAME, []);

/** Sid of the refusal, for whoever has to put it into words. */
export const NO_FURTHER_CREDENTIALS = 'no-further-credentials';

/** A session manages no keys and gets no further credentials: it could outlive itself by them. */
export const EVERY_SESSION = new Policy('sessions', [
  { sid: 'everything', effect: 'allow', actions: new Set(ACTIONS), resources: [EVERYTHING], conditions: [] },
  {
    sid: NO_FURTHER_CREDENTIALS,
    effect: 'deny',
    actions: new Set<Action>([
      ...ACTION_GROUPS.ownUserRead.filter((action) => action !== 'sts:GetCallerIdentity'),
      ...ACTION_GROUPS.ownUserWrite,
      ...ACTION_GROUPS.ownSessions,
      ...ACTION_GROUPS.webIdentity,
    ]),
    resources: [EVERYTHING],
    conditions: [],
  },
]);

/** A credential serves many requests. */
const kept = new WeakMap<SessionCredential, readonly Judge[]>();

export function policiesOfSession(credential: SessionCredential): readonly Judge[] {
  const known = kept.get(credential);
  if (known !== undefined) return known;
  const { policy, callerTags = {} } = credential.details;
  const policies = [
    EVERY_SESSION,
    ...(policy === undefined ? [] : [new Scoped(compiled(policy), tagValues(callerTags))]),
  ];
  kept.set(credential, policies);
  return policies;
}

/** What conditions can ask about a session, whosever policy it is. */
export function sessionValues(credential: Credential): ContextValues {
  if (credential.kind !== 'session') return {};
  const { issuedAt, details, tenant } = credential;
  return {
    'aws:TokenIssueTime': () => new Date(1000 * issuedAt).toISOString(),
    'aws:userid': () => (details.name === undefined ? tenant : `${tenant}:${details.name}`),
    ...Object.fromEntries([...tagValues(details.tags ?? {})].map(([key, value]) => [key, () => value])),
  };
}

/** Tags as conditions name them. */
function tagValues(tags: Readonly<Record<string, string>>): ReadonlyMap<ContextKey, string> {
  return new Map(Object.entries(tags).map(([name, value]) => [principalTagKey(name), value]));
}

function compiled(policy: string): Policy {
  try {
    return compilePolicy(NAME, policy);
  } catch (error) {
    if (error instanceof MalformedPolicyDocument) return NOTHING;
    throw error;
  }
}

/** A policy that sees further values. What the request itself has is never replaced. */
class Scoped implements Judge {
  readonly #policy: Policy;
  readonly #values: ReadonlyMap<ContextKey, string>;

  constructor(policy: Policy, values: ReadonlyMap<ContextKey, string>) {
    this.#policy = policy;
    this.#values = values;
  }

  get statements() {
    return this.#policy.statements;
  }

  get silence() {
    return this.#policy.silence;
  }

  judge(action: Action, resource: Resource, context: Context): Verdict {
    if (this.#values.size === 0) return this.#policy.judge(action, resource, context);
    return this.#policy.judge(action, resource, { get: (key) => context.get(key) ?? this.#values.get(key) });
  }
}
