/**
 * One line of a Condition block: operator, key and values. What holds when the request has no such key follows IAM, with two
 * exceptions on the safe side: a client address that is not known satisfies no IpAddress and no NotIpAddress in an Allow, and
 * both in a Deny; and a condition that cannot be decided (a variable without a value) fails an Allow and holds in a Deny.
 */
import { type ConditionKey, conditionKey, typeOfKey } from './condition-keys.ts';
import { MalformedPolicyDocument } from './malformed.ts';
import { operatorNamed, readBoolean, type ValueTest } from './operators.ts';
import type { ContextValues } from './request-context.ts';

export type Effect = 'Allow' | 'Deny';

export interface Condition {
  readonly key: ConditionKey;
  /** Undefined for Null, which looks at presence alone. */
  readonly test: ValueTest | undefined;
  readonly negated: boolean;
  /** For Null: whether the key must be absent. For others: whether the condition holds without the key. */
  readonly withoutKey: { readonly Allow: boolean; readonly Deny: boolean };
}

const SET = /^(ForAllValues|ForAnyValue):/i;
const IF_EXISTS = /IfExists$/i;

/** @throws MalformedPolicyDocument */
export function compileCondition(operatorText: string, keyText: string, texts: readonly string[]): Condition {
  const set = SET.exec(operatorText)?.[1]?.toLowerCase();
  const unset = operatorText.replace(SET, '');
  const ifExists = IF_EXISTS.test(unset);
  const name = unset.replace(IF_EXISTS, '');
  const key = conditionKey(keyText);
  if (name.toLowerCase() === 'null') {
    if (set !== undefined || ifExists) throw new MalformedPolicyDocument('Null takes neither a set nor IfExists.');
    return nullCondition(key, texts);
  }
  const operator = operatorNamed(name);
  const type = typeOfKey(key);
  if (!operator.types.includes(type)) {
    throw new MalformedPolicyDocument(`${name} does not compare ${keyText}, whose values are of type ${type}.`);
  }
  const absent =
    type === 'ip' ? { Allow: false, Deny: true } : both(ifExists || holdsWithoutKey(set, operator.negated));
  return { key, test: operator.compile(texts), negated: operator.negated, withoutKey: absent };
}

function nullCondition(key: ConditionKey, texts: readonly string[]): Condition {
  const wanted = new Set(texts.map(readBoolean));
  if (wanted.size !== 1) throw new MalformedPolicyDocument('Null takes true or false.');
  const absent = wanted.has(true);
  return { key, test: undefined, negated: absent, withoutKey: both(absent) };
}

/** ForAllValues of no values holds, ForAnyValue does not; alone, a negated operator holds. */
function holdsWithoutKey(set: string | undefined, negated: boolean): boolean {
  if (set === 'forallvalues') return true;
  return set === undefined && negated;
}

const both = (holds: boolean) => ({ Allow: holds, Deny: holds });

export function conditionHolds(condition: Condition, values: ContextValues, effect: Effect): boolean {
  const value = values.get(condition.key);
  if (value === undefined) return condition.withoutKey[effect];
  if (condition.test === undefined) return !condition.negated;
  const matched = condition.test(value, values);
  if (matched === undefined) return effect === 'Deny';
  return matched !== condition.negated;
}
