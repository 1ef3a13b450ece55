/** What is wrong with a policy, in IAM's own code. */

/** The message says where and what, for whoever wrote the policy. */
export class MalformedPolicyDocument extends Error {
  readonly code = 'MalformedPolicyDocument';
  constructor(message: string) {
    super(message);
    this.name = 'MalformedPolicyDocument';
  }
}
