/** GetAccessKeyLastUsed: whose key it is, and the day of its last use. One that is not recorded is told as IAM tells of a key never used. */
import type { QueryAction } from '../action.ts';
import { ownSlot } from '../own-slot.ts';

export const getAccessKeyLastUsed: QueryAction = {
  name: 'GetAccessKeyLastUsed',
  service: 'iam',
  parameters: ['AccessKeyId'],
  async run(call) {
    const { day } = await call.keys.lastUse({
      caller: call.accessKey,
      slot: await ownSlot(call),
      signal: call.signal,
    });
    const never = { ServiceName: 'N/A', Region: 'N/A' };
    const used = { LastUsedDate: `${day}T00:00:00Z`, ServiceName: 's3', Region: call.region };
    return { UserName: call.tenant.id, AccessKeyLastUsed: day === null ? never : used };
  },
};
