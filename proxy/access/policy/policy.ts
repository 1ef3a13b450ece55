/**
 * Policies in IAM's JSON, version 2012-10-17: read strictly, compiled once, evaluated for each request. Strictly: what is not
 * understood (a member, an operator, a key, a service) is an error of the policy, since a Deny that never applies protects
 * nothing and nobody would notice.
 */
import { LRUCache } from 'lru-cache';
import { MAX_POLICY_CHARACTERS, POLICIES_KEPT } from '../../limits.ts';
import { type ActionPatterns, compileActions } from './actions.ts';
import { type Condition, compileCondition, conditionHolds, type Effect } from './condition.ts';
import { MalformedPolicyDocument } from './malformed.ts';
import { readPolicyJson } from './policy-json.ts';
import type { ContextValues } from './request-context.ts';
import { compileResource, type ResourcePattern, resourceMatches } from './resource.ts';

export interface Statement {
  /** Sid, or `statement N` counted from 1. */
  readonly name: string;
  readonly effect: Effect;
  readonly actions: ActionPatterns;
  readonly exceptActions: boolean;
  readonly resources: readonly ResourcePattern[];
  readonly exceptResources: boolean;
  readonly conditions: readonly Condition[];
}

export interface Policy {
  readonly statements: readonly Statement[];
}

/** What is asked. `action` as AWS writes it, `resource` an ARN. */
export interface PolicyRequest {
  readonly action: string;
  readonly resource: string;
  readonly values: ContextValues;
}

/** `statement`: the one that decided; undefined when none allows. */
export interface PolicyDecision {
  readonly allowed: boolean;
  readonly statement: Statement | undefined;
}

const kept = new LRUCache<string, Policy>({ max: POLICIES_KEPT });

/** Compiled once per text. @throws MalformedPolicyDocument */
export function compilePolicy(text: string): Policy {
  const known = kept.get(text);
  if (known !== undefined) return known;
  if (text.length > MAX_POLICY_CHARACTERS) {
    throw new MalformedPolicyDocument(`A policy has at most ${MAX_POLICY_CHARACTERS} characters.`);
  }
  const policy = { statements: readPolicyJson(text).map(compileStatement) };
  kept.set(text, policy);
  return policy;
}

function compileStatement(json: ReturnType<typeof readPolicyJson>[number], index: number): Statement {
  const name = json.sid ?? `statement ${index + 1}`;
  try {
    return {
      name,
      effect: json.effect,
      actions: compileActions(json.actions),
      exceptActions: json.exceptActions,
      resources: json.resources.map(compileResource),
      exceptResources: json.exceptResources,
      conditions: json.conditions.map(({ operator, key, values }) => compileCondition(operator, key, values)),
    };
  } catch (error) {
    if (error instanceof MalformedPolicyDocument) throw new MalformedPolicyDocument(`${name}: ${error.message}`);
    throw error;
  }
}

/** A Deny that applies wins over every Allow, and no statement is a Deny. */
export function evaluatePolicy(policy: Policy, request: PolicyRequest): PolicyDecision {
  let allowing: Statement | undefined;
  for (const statement of policy.statements) {
    if (statement.effect === 'Allow' && allowing !== undefined) continue;
    if (!statementApplies(statement, request)) continue;
    if (statement.effect === 'Deny') return { allowed: false, statement };
    allowing = statement;
  }
  return { allowed: allowing !== undefined, statement: allowing };
}

function statementApplies(statement: Statement, { action, resource, values }: PolicyRequest): boolean {
  if (statement.actions.match(action) === statement.exceptActions) return false;
  if (!resourcesApply(statement, resource, values)) return false;
  return statement.conditions.every((condition) => conditionHolds(condition, values, statement.effect));
}

/** A pattern whose variable has no value could mean anything: an Allow does not rest on it, and a Deny does. */
function resourcesApply(statement: Statement, resource: string, values: ContextValues): boolean {
  let unknown = false;
  let matched = false;
  for (const pattern of statement.resources) {
    const one = resourceMatches(pattern, resource, values);
    if (one === undefined) unknown = true;
    else if (one) matched = true;
  }
  if (statement.effect === 'Deny') return unknown || matched !== statement.exceptResources;
  return statement.exceptResources ? !unknown && !matched : matched;
}
