/**
 * The condition keys that a policy may name. Any other key is refused: a Deny on a key that no request has would never apply, and
 * its author would think otherwise.
 */
import type { PolicyKey } from '../context.ts';
import { MalformedPolicyDocument } from './malformed.ts';

/** `epoch`: a time that may be compared as a number of seconds as well. */
export type KeyType = 'string' | 'numeric' | 'date' | 'epoch' | 'bool' | 'ip';

const PRINCIPAL_TAG = 'aws:PrincipalTag/';
type NamedKey = Exclude<PolicyKey, `aws:PrincipalTag/${string}`>;

const TYPES: Readonly<Record<NamedKey, KeyType>> = {
  'aws:CurrentTime': 'date',
  'aws:EpochTime': 'epoch',
  'aws:SecureTransport': 'bool',
  'aws:SourceIp': 'ip',
  'aws:TokenIssueTime': 'date',
  'aws:UserAgent': 'string',
  'aws:userid': 'string',
  's3:authType': 'string',
  's3:delimiter': 'string',
  's3:max-keys': 'numeric',
  's3:prefix': 'string',
  's3:signatureAge': 'numeric',
  's3:VersionId': 'string',
};

/** Names of keys are not case-sensitive. */
const KEYS: ReadonlyMap<string, NamedKey> = new Map(
  (Object.keys(TYPES) as NamedKey[]).map((key) => [key.toLowerCase(), key]),
);

/** @throws MalformedPolicyDocument */
export function conditionKey(name: string): PolicyKey {
  const lower = name.toLowerCase();
  const key = KEYS.get(lower);
  if (key !== undefined) return key;
  const tag = lower.startsWith(PRINCIPAL_TAG.toLowerCase()) ? lower.slice(PRINCIPAL_TAG.length) : '';
  if (tag !== '') return principalTagKey(tag);
  throw new MalformedPolicyDocument(
    `The condition key ${JSON.stringify(name)} is not known here: a statement that hangs on it would never do what it says. Known are ${CONDITION_KEYS.join(', ')}.`,
  );
}

export function typeOfKey(key: PolicyKey): KeyType {
  return Object.hasOwn(TYPES, key) ? TYPES[key as NamedKey] : 'string';
}

/** The key of a principal's tag. */
export function principalTagKey(tag: string): PolicyKey {
  return `${PRINCIPAL_TAG}${tag.toLowerCase()}`;
}

/** For documents and messages. */
export const CONDITION_KEYS: readonly string[] = [...Object.keys(TYPES), `${PRINCIPAL_TAG}NAME`];
