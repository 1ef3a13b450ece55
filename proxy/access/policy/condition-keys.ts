/**
 * The condition keys that a policy may name (IAM user guide, "AWS global condition context keys"; service authorization
 * reference, "Condition keys for Amazon S3"). Any other key is refused: a Deny on a key that no request has would never apply,
 * and its author would think otherwise.
 */
import { MalformedPolicyDocument } from './malformed.ts';

/** `epoch`: a time that may be compared as a number of seconds as well. */
export type KeyType = 'string' | 'numeric' | 'date' | 'epoch' | 'bool' | 'ip';

/** A key in its one spelling: names of keys are not case-sensitive. */
export type ConditionKey = string & { readonly isConditionKey: true };

const TYPES: ReadonlyMap<string, KeyType> = new Map([
  ['aws:currenttime', 'date'],
  ['aws:epochtime', 'epoch'],
  ['aws:securetransport', 'bool'],
  ['aws:sourceip', 'ip'],
  ['aws:tokenissuetime', 'date'],
  ['aws:useragent', 'string'],
  ['aws:userid', 'string'],
  ['s3:authtype', 'string'],
  ['s3:delimiter', 'string'],
  ['s3:max-keys', 'numeric'],
  ['s3:prefix', 'string'],
  ['s3:signatureage', 'numeric'],
  ['s3:versionid', 'string'],
]);

const PRINCIPAL_TAG = 'aws:principaltag/';

/** @throws MalformedPolicyDocument */
export function conditionKey(name: string): ConditionKey {
  const key = name.toLowerCase();
  if (TYPES.has(key) || (key.startsWith(PRINCIPAL_TAG) && key.length > PRINCIPAL_TAG.length))
    return key as ConditionKey;
  throw new MalformedPolicyDocument(
    `The condition key ${JSON.stringify(name)} is not known here: a statement that hangs on it would never do what it says. See docs/access.md for the keys.`,
  );
}

export function typeOfKey(key: ConditionKey): KeyType {
  return TYPES.get(key) ?? 'string';
}

/** The key of a principal's tag. */
export function principalTagKey(tag: string): ConditionKey {
  return (PRINCIPAL_TAG + tag.toLowerCase()) as ConditionKey;
}

/** The names of the keys, for documents and messages. */
export const CONDITION_KEYS: readonly string[] = [...TYPES.keys(), `${PRINCIPAL_TAG}*`];
