/** GetSessionToken: the caller's own rights for a time, under credentials that end by themselves. */
import { LONGEST_KEY_SESSION_SECONDS } from '../../session-limits.ts';
import type { QueryAction } from '../action.ts';
import { secondsOf } from '../sessions/session-parameters.ts';
import { credentialsElement } from '../sessions/session-reply.ts';

export const getSessionToken: QueryAction = {
  name: 'GetSessionToken',
  service: 'sts',
  parameters: ['DurationSeconds'],
  decidedBy: 'server',
  async run({ parameters, accessKey, sessions, signal }) {
    const seconds = secondsOf(parameters, LONGEST_KEY_SESSION_SECONDS);
    return { Credentials: credentialsElement(await sessions.issue(accessKey, { seconds, details: {} }, signal)) };
  },
};
