/**
 * The only way to a yes: whether a principal may do an action to a resource. It asks every policy that limits the principal.
 * Each of them must allow, and a Deny in any of them decides. Nothing else in the program compares grants with names.
 * Whoever asks for a request goes through gate.ts, which follows each decision with its event.
 */
import type { Action } from './actions.ts';
import type { Context } from './context.ts';
import type { Judge, Verdict } from './policy.ts';
import type { Resource } from './resource.ts';

/** Who asks. */
export interface Principal {
  /** 24 hex digits. */
  readonly tenant: string;
  /** 8 hex digits; '' for a tenant that no key opened. */
  readonly slot: string;
  /** Short fingerprint of the access key id. */
  readonly accessKey: string;
  /** The server's own rules first, then the slot's, then those of a session. Never empty. */
  readonly policies: readonly [Judge, ...Judge[]];
}

/** One question to a principal's policies. */
export interface Demand {
  readonly action: Action;
  readonly resource: Resource;
}

/** `statement`: `<policy>/<sid>` of what decided; `<policy>/none` where that policy has no statement for the question. */
export type Decision = Verdict;

export function decide(
  { policies }: Pick<Principal, 'policies'>,
  action: Action,
  resource: Resource,
  context: Context,
): Decision {
  let silent: Decision | undefined;
  let allowed: Decision | undefined;
  for (const policy of policies) {
    const verdict = policy.judge(action, resource, context);
    if (verdict === policy.silence) silent ??= verdict;
    else if (verdict.effect === 'deny') return verdict;
    else allowed = verdict;
  }
  return silent ?? allowed ?? policies[0].silence;
}
