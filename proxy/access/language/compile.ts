/**
 * Policies in IAM's JSON, version 2012-10-17, compiled to the form that is judged (policy.ts). They are read strictly: what is
 * not understood (a member, an operator, a key, a service) is an error of the policy, since a Deny that never applies protects
 * nothing and nobody would notice.
 */
import { LRUCache } from 'lru-cache';
import { MAX_POLICY_CHARACTERS, POLICIES_KEPT } from '../../policy-limits.ts';
import { Policy, type Statement } from '../policy.ts';
import { actionsNamed } from './action-element.ts';
import { compileCondition } from './condition.ts';
import { MalformedPolicyDocument } from './malformed.ts';
import { readPolicyJson, type StatementJson } from './policy-json.ts';
import { ResourceElement } from './resource-element.ts';

/** By text and name. The text is one string for all requests of a key, which is found by its hash; a joined one would be hashed anew. */
const kept = new LRUCache<string, Map<string, Policy>>({ max: POLICIES_KEPT });

/** Compiled once for a name and text. `name`: where the policy comes from, for decisions and events. @throws MalformedPolicyDocument */
export function compilePolicy(name: string, text: string): Policy {
  const named = kept.get(text) ?? new Map<string, Policy>();
  const known = named.get(name);
  if (known !== undefined) return known;
  if (text.length > MAX_POLICY_CHARACTERS) {
    throw new MalformedPolicyDocument(`A policy has at most ${MAX_POLICY_CHARACTERS} characters.`);
  }
  const policy = new Policy(name, readPolicyJson(text).map(compileStatement));
  named.set(name, policy);
  kept.set(text, named);
  return policy;
}

function compileStatement(json: StatementJson, index: number): Statement {
  const sid = json.sid ?? `statement-${index + 1}`;
  const effect = json.effect === 'Allow' ? 'allow' : 'deny';
  try {
    return {
      sid,
      effect,
      actions: actionsNamed(json.actions, { excepted: json.exceptActions }),
      resources: [new ResourceElement(json.resources, { excepted: json.exceptResources, effect })],
      conditions: json.conditions.map((one) => compileCondition(one, effect)),
    };
  } catch (error) {
    if (error instanceof MalformedPolicyDocument) throw new MalformedPolicyDocument(`${sid}: ${error.message}`);
    throw error;
  }
}
