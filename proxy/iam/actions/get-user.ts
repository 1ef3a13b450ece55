/** GetUser: the caller's tenant as IAM shows a user, for programs that look before they rotate. */
import { arnOf, ownUserName, type QueryAction } from '../action.ts';

export const getUser: QueryAction = {
  name: 'GetUser',
  service: 'iam',
  parameters: ['UserName'],
  async run(call) {
    const UserName = ownUserName(call);
    const { created: CreateDate } = await call.keys.keyring({ caller: call.accessKey, signal: call.signal });
    return { User: { Path: '/', UserName, UserId: UserName, Arn: arnOf(UserName), CreateDate } };
  },
};
