/** GetCallerIdentity of STS: which tenant the credentials are of, and which session. It needs no permission, as with AWS. */
import { ACCOUNT } from '../../access/resource.ts';
import type { QueryAction } from '../action.ts';
import { identityOf } from '../identity.ts';

export const getCallerIdentity: QueryAction = {
  name: 'GetCallerIdentity',
  service: 'sts',
  parameters: [],
  decidedBy: 'server',
  forSessions: true,
  async run({ credential }) {
    const { arn, userId } = identityOf(credential);
    return { Arn: arn, UserId: userId, Account: ACCOUNT };
  },
};
