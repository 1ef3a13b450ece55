/** GetAccessKeyLastUsed: whose key it is. When it was used is not recorded, which IAM says as it does of a key never used. */
import type { QueryAction } from '../action.ts';
import { QueryError } from '../errors.ts';
import { ownSlot } from '../own-slot.ts';

export const getAccessKeyLastUsed: QueryAction = {
  name: 'GetAccessKeyLastUsed',
  service: 'iam',
  parameters: ['AccessKeyId'],
  async run(call) {
    const slot = await ownSlot(call);
    const { slots } = await call.keys.keyring({ caller: call.accessKey, signal: call.signal });
    if (slots.every(({ id }) => id !== slot)) throw new QueryError('NoSuchEntity');
    return { UserName: call.tenant.id, AccessKeyLastUsed: { Region: 'N/A', ServiceName: 'N/A' } };
  },
};
