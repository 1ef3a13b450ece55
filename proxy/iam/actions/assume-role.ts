/**
 * AssumeRole: the caller's rights limited by a role of its own tenant, for a time. The role names the keys that may take it on. An
 * ARN with a sealed part is refused: an ARN is no secret, and what it opens is for tokens of issuers alone.
 */
import { parseRoleArn } from '../../keyring/access-keys/role-arn.ts';
import { LONGEST_ROLE_SESSION_SECONDS } from '../../session-limits.ts';
import { type QueryAction, required } from '../action.ts';
import { QueryError } from '../errors.ts';
import { byCaller, callerTagsOf, secondsOf, sessionNameOf, sessionPolicyOf } from '../sessions/session-parameters.ts';
import { assumedRoleElement, credentialsElement, fitting } from '../sessions/session-reply.ts';

export const assumeRole: QueryAction = {
  name: 'AssumeRole',
  service: 'sts',
  parameters: ['DurationSeconds', 'Policy', 'RoleArn', 'RoleSessionName'],
  takesTags: true,
  async run(call) {
    const { parameters, accessKey, sessions, signal } = call;
    const arn = parseRoleArn(required(call, 'RoleArn'));
    if (arn === undefined || arn.sealed !== undefined) {
      throw new QueryError(
        'ValidationError',
        'RoleArn is arn:aws:iam::000000000000:role/NAME, and nothing behind the name.',
      );
    }
    const seconds = secondsOf(parameters, LONGEST_ROLE_SESSION_SECONDS);
    const name = sessionNameOf(parameters, 'RoleSessionName', 64);
    const policy = sessionPolicyOf(parameters);
    const details = { name, ...(policy === undefined ? {} : { policy }), ...byCaller(callerTagsOf(parameters)) };
    const issued = await fitting(sessions.issue(accessKey, { seconds, details, role: arn.name }, signal));
    return {
      Credentials: credentialsElement(issued),
      AssumedRoleUser: assumedRoleElement({ role: arn.name, slot: accessKey.slot, name }),
      PackedPolicySize: String(issued.packedPercent),
    };
  },
};
