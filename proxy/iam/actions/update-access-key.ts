/** UpdateAccessKey: takes a key out of use without removing it, or puts it back. */
import type { OperatorTerms } from '../../keyring/slots/slot-terms.ts';
import { type QueryAction, required } from '../action.ts';
import { QueryError } from '../errors.ts';
import { ownSlot } from '../own-slot.ts';

const STATUS: Readonly<Record<string, OperatorTerms['status']>> = { Active: 'active', Inactive: 'inactive' };

export const updateAccessKey: QueryAction = {
  name: 'UpdateAccessKey',
  service: 'iam',
  parameters: ['UserName', 'AccessKeyId', 'Status'],
  async run(call) {
    const named = required(call, 'Status');
    const status = Object.hasOwn(STATUS, named) ? STATUS[named] : undefined;
    if (status === undefined) throw new QueryError('InvalidParameterValue', 'Status is Active or Inactive.');
    const slot = await ownSlot(call);
    await call.keys.setStatus({ caller: call.accessKey, slot, status, gate: call.gate, signal: call.signal });
    return undefined;
  },
};
