/** ListAccessKeys: a handle, the status and the creation date of each key of the caller's tenant. Ids are not stored. */
import { type KeySlot, keySlots } from '../../keyring/slots/slot-types.ts';
import type { QueryAction, QueryCall } from '../action.ts';
import { QueryError } from '../errors.ts';
import { handleOf } from '../key-handle.ts';

/** IAM API reference, ListAccessKeys: 1 to 1,000, by default 100. */
const MAX_ITEMS = { most: 1000, byDefault: 100 };

export const listAccessKeys: QueryAction = {
  name: 'ListAccessKeys',
  service: 'iam',
  parameters: ['UserName', 'Marker', 'MaxItems'],
  async run(call) {
    const { id: UserName } = call.tenant;
    const keyring = await call.keys.keyring({ caller: call.accessKey, signal: call.signal });
    const { page, next } = pageOf(keySlots(keyring), call);
    const member = page.map(({ id, status, created }) => ({
      UserName,
      AccessKeyId: handleOf(id),
      Status: status === 'active' ? 'Active' : 'Inactive',
      CreateDate: created,
    }));
    return { AccessKeyMetadata: { member }, IsTruncated: next !== undefined, Marker: next };
  },
};

/** A marker is the handle of the last key on the page before: slots are ascending by id. */
function pageOf(slots: readonly KeySlot[], call: QueryCall): { page: readonly KeySlot[]; next: string | undefined } {
  const text = call.parameters.get('MaxItems') ?? String(MAX_ITEMS.byDefault);
  const items = /^\d{1,4}$/.test(text) ? Number(text) : 0;
  if (items < 1 || items > MAX_ITEMS.most) {
    throw new QueryError('InvalidParameterValue', `MaxItems is a number from 1 to ${MAX_ITEMS.most}.`);
  }
  const after = call.parameters.get('Marker');
  const rest = after === undefined ? slots : slots.filter((slot) => handleOf(slot.id) > after);
  const page = rest.slice(0, items);
  const last = page.at(-1);
  return { page, next: rest.length > items && last !== undefined ? handleOf(last.id) : undefined };
}
