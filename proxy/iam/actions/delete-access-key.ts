/** DeleteAccessKey: removes a key of the caller's tenant for good, the key in use included, but never the last one. */
import { ownUserName, type QueryAction } from '../action.ts';
import { ownSlot } from '../own-slot.ts';

export const deleteAccessKey: QueryAction = {
  name: 'DeleteAccessKey',
  service: 'iam',
  parameters: ['UserName', 'AccessKeyId'],
  changes: true,
  async run(call) {
    ownUserName(call);
    const slot = await ownSlot(call);
    await call.keys.remove({ caller: call.accessKey, slot, signal: call.signal });
    return undefined;
  },
};
