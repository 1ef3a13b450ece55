/**
 * One line of a Condition block: operator, key and values. What holds when the request has no such key follows IAM, with two
 * exceptions on the safe side: a client address that is not known satisfies no IpAddress and no NotIpAddress in an Allow, and
 * both in a Deny; and a condition that cannot be decided (a variable without a value) fails an Allow and holds in a Deny.
 */
import type { Context } from '../context.ts';
import type { Condition } from '../policy.ts';
import { conditionKey, typeOfKey } from './condition-keys.ts';
import { MalformedPolicyDocument } from './malformed.ts';
import { operatorNamed, readBoolean } from './operators.ts';
import type { ConditionJson } from './policy-json.ts';

type Effect = 'allow' | 'deny';

const SET = /^(ForAllValues|ForAnyValue):/i;
const IF_EXISTS = /IfExists$/i;

/** @throws MalformedPolicyDocument */
export function compileCondition(json: ConditionJson, effect: Effect): Condition {
  const set = SET.exec(json.operator)?.[1]?.toLowerCase();
  const unset = json.operator.replace(SET, '');
  const ifExists = IF_EXISTS.test(unset);
  const name = unset.replace(IF_EXISTS, '');
  const key = conditionKey(json.key);
  if (name.toLowerCase() === 'null') {
    if (set !== undefined || ifExists) throw new MalformedPolicyDocument('Null takes neither a set nor IfExists.');
    const absent = readNull(json.values);
    return condition((context) => (context.get(key) === undefined) === absent);
  }
  const operator = operatorNamed(name);
  const type = typeOfKey(key);
  if (!operator.types.includes(type)) {
    throw new MalformedPolicyDocument(`${name} does not compare ${json.key}, whose values are of type ${type}.`);
  }
  const { negated } = operator;
  const test = operator.compile(json.values);
  const whenAbsent = type === 'ip' ? effect === 'deny' : ifExists || holdsWithoutKey(set, negated);
  return condition((context) => {
    const value = context.get(key);
    if (value === undefined) return whenAbsent;
    const matched = test(value, context);
    return matched === undefined ? effect === 'deny' : matched !== negated;
  });
}

function condition(holds: (context: Context) => boolean): Condition {
  const itself: Condition = { holds, isImpliedBy: (other) => other === itself };
  return itself;
}

/** Whether the key must be absent. */
function readNull(texts: readonly string[]): boolean {
  const [wanted, ...others] = new Set(texts.map(readBoolean));
  if (wanted === undefined || others.length > 0) throw new MalformedPolicyDocument('Null takes true or false.');
  return wanted;
}

/** ForAllValues of no values holds, ForAnyValue does not; alone, a negated operator holds. */
function holdsWithoutKey(set: string | undefined, negated: boolean): boolean {
  if (set === 'forallvalues') return true;
  return set === undefined && negated;
}
