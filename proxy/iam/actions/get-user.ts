/** GetUser: the caller's tenant as IAM shows a user, for programs that look before they rotate. */
import { userResource } from '../../access/resource.ts';
import type { QueryAction } from '../action.ts';

export const getUser: QueryAction = {
  name: 'GetUser',
  service: 'iam',
  parameters: ['UserName'],
  async run(call) {
    const { id: UserName } = call.tenant;
    const { created: CreateDate } = await call.keys.keyring({ caller: call.accessKey, signal: call.signal });
    return { User: { Path: '/', UserName, UserId: UserName, Arn: userResource(UserName).arn, CreateDate } };
  },
};
