/** DeleteAccessKey: removes a key of the caller's tenant for good, the key in use included, but never the last one. */
import type { QueryAction } from '../action.ts';
import { ownSlot } from '../own-slot.ts';

export const deleteAccessKey: QueryAction = {
  name: 'DeleteAccessKey',
  service: 'iam',
  parameters: ['UserName', 'AccessKeyId'],
  async run(call) {
    const slot = await ownSlot(call);
    await call.keys.remove({ caller: call.accessKey, slot, gate: call.gate, signal: call.signal });
    return undefined;
  },
};
