/** GetCallerIdentity of STS: which tenant the credentials are of. */
import { ACCOUNT, arnOf, type QueryAction } from '../action.ts';

export const getCallerIdentity: QueryAction = {
  name: 'GetCallerIdentity',
  service: 'sts',
  parameters: [],
  async run({ tenant }) {
    return { Arn: arnOf(tenant.id), UserId: tenant.id, Account: ACCOUNT };
  },
};
