/**
 * The policy of a slot: its own, in IAM's language, or its grants. A policy that cannot be understood, as one that a newer version
 * wrote, allows nothing.
 */
import type { OperatorTerms } from '../keyring/slots/slot-terms.ts';
import { policyOfGrants } from './grants-policy.ts';
import { compilePolicy } from './language/compile.ts';
import { MalformedPolicyDocument } from './language/malformed.ts';
import { Policy } from './policy.ts';

const NAME = 'key';
const NOTHING = new Policy(NAME, []);

export function policyOfSlot({
  grants,
  policy,
}: Readonly<Pick<OperatorTerms, 'policy'>> & { readonly grants: Parameters<typeof policyOfGrants>[0] }): Policy {
  if (policy === null) return policyOfGrants(grants);
  try {
    return compilePolicy(NAME, policy);
  } catch (error) {
    if (error instanceof MalformedPolicyDocument) return NOTHING;
    throw error;
  }
}
