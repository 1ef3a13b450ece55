/**
 * Finds the slot that AccessKeyId names, as a handle or as a whole access key id. The answer reveals nothing about keys of other
 * tenants.
 */
import { S3Error } from '../errors.ts';
import { type QueryCall, required } from './action.ts';
import { QueryError } from './errors.ts';
import { slotOfHandle } from './key-handle.ts';

/** @throws QueryError NoSuchEntity for anything that is no key of the caller's tenant, whatever it is */
export async function ownSlot(call: QueryCall): Promise<string> {
  const named = required(call, 'AccessKeyId');
  const slot = slotOfHandle(named);
  if (slot !== undefined) return slot;
  const key = await call.resolve(named).catch((error: unknown) => {
    if (error instanceof S3Error && error.code === 'InvalidAccessKeyId') return undefined;
    throw error;
  });
  if (key === undefined || key.tenant !== call.tenant.id) throw new QueryError('NoSuchEntity');
  return key.slot;
}
