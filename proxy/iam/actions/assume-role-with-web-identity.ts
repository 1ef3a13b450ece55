/** AssumeRoleWithWebIdentity: a session of a role for whoever brings a token that the role trusts. It is not signed: the token is. */
import { LONGEST_ROLE_SESSION_SECONDS, MAX_WEB_IDENTITY_TOKEN_CHARACTERS } from '../../session-limits.ts';
import { type QueryAction, required } from '../action.ts';
import { QueryError } from '../errors.ts';
import { secondsOf, sessionNameOf, sessionPolicyOf } from '../sessions/session-parameters.ts';
import { assumedRoleElement, credentialsElement } from '../sessions/session-reply.ts';

export const assumeRoleWithWebIdentity: QueryAction = {
  name: 'AssumeRoleWithWebIdentity',
  service: 'sts',
  parameters: ['DurationSeconds', 'Policy', 'RoleArn', 'RoleSessionName', 'WebIdentityToken'],
  unsigned: true,
  async run(call) {
    const { parameters } = call;
    const token = required(call, 'WebIdentityToken');
    if (token.length > MAX_WEB_IDENTITY_TOKEN_CHARACTERS) {
      throw new QueryError(
        'ValidationError',
        `WebIdentityToken has at most ${MAX_WEB_IDENTITY_TOKEN_CHARACTERS} characters.`,
      );
    }
    const session = await call.webIdentity({
      arn: required(call, 'RoleArn'),
      token,
      seconds: secondsOf(parameters, LONGEST_ROLE_SESSION_SECONDS),
      name: sessionNameOf(parameters, 'RoleSessionName', 64),
      policy: sessionPolicyOf(parameters),
    });
    const { role, slot, identity } = session;
    return {
      Credentials: credentialsElement(session),
      SubjectFromWebIdentityToken: identity.subject,
      AssumedRoleUser: assumedRoleElement({ role, slot, name: sessionNameOf(parameters, 'RoleSessionName', 64) }),
      PackedPolicySize: String(session.packedPercent),
      Provider: identity.issuer,
      Audience: identity.audience,
    };
  },
};
