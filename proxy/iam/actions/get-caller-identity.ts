/** GetCallerIdentity of STS: which tenant the credentials are of. */
import { ACCOUNT, userResource } from '../../access/resource.ts';
import type { QueryAction } from '../action.ts';

export const getCallerIdentity: QueryAction = {
  name: 'GetCallerIdentity',
  service: 'sts',
  parameters: [],
  async run({ tenant }) {
    return { Arn: userResource(tenant.id).arn, UserId: tenant.id, Account: ACCOUNT };
  },
};
