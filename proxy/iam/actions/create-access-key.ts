/** CreateAccessKey: another API key for the caller's tenant, with the caller's grants. Its secret is in this reply only. */
import type { QueryAction } from '../action.ts';

export const createAccessKey: QueryAction = {
  name: 'CreateAccessKey',
  service: 'iam',
  parameters: ['UserName'],
  async run(call) {
    const { id: UserName } = call.tenant;
    const { keys, accessKey: caller, signature, signal } = call;
    const made = await keys.create({ caller, signature, signal });
    const { accessKeyId: AccessKeyId, secretAccessKey: SecretAccessKey, created: CreateDate } = made;
    return { AccessKey: { UserName, AccessKeyId, Status: 'Active', SecretAccessKey, CreateDate } };
  },
};
