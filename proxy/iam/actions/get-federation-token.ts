/**
 * GetFederationToken: a part of the caller's rights for a time, named by a policy. Without a policy AWS's federated users may do
 * nothing, so none is issued here without one.
 */
import { ACCOUNT } from '../../access/resource.ts';
import { LONGEST_KEY_SESSION_SECONDS } from '../../session-limits.ts';
import type { QueryAction } from '../action.ts';
import { QueryError } from '../errors.ts';
import { federatedUserArn } from '../identity.ts';
import { byCaller, callerTagsOf, secondsOf, sessionNameOf, sessionPolicyOf } from '../sessions/session-parameters.ts';
import { credentialsElement, fitting } from '../sessions/session-reply.ts';

export const getFederationToken: QueryAction = {
  name: 'GetFederationToken',
  service: 'sts',
  parameters: ['DurationSeconds', 'Name', 'Policy'],
  takesTags: true,
  async run({ parameters, accessKey, sessions, signal }) {
    const seconds = secondsOf(parameters, LONGEST_KEY_SESSION_SECONDS);
    const name = sessionNameOf(parameters, 'Name', 32);
    const policy = sessionPolicyOf(parameters);
    if (policy === undefined) {
      const message =
        'Policy is missing: without one a federated user may do nothing. GetSessionToken gives all rights of the key.';
      throw new QueryError('ValidationError', message);
    }
    const details = { name, policy, ...byCaller(callerTagsOf(parameters)) };
    const issued = await fitting(sessions.issue(accessKey, { seconds, details }, signal));
    return {
      Credentials: credentialsElement(issued),
      FederatedUser: { FederatedUserId: `${ACCOUNT}:${name}`, Arn: federatedUserArn(name) },
      PackedPolicySize: String(issued.packedPercent),
    };
  },
};
