/**
 * An object whose metadata name another tenant may be another tenant's, or the caller's with one bit of the tenant id altered. The
 * header tells: it opens under the caller's own tenant id and root key, or it does not.
 */
import { FormatError } from '../../crypto/errors.ts';
import { discard } from '../backend/read-body.ts';
import type { StoreContext } from '../object/context.ts';
import { about, factsOf } from '../object/object-request.ts';
import { fromBackendHeaders } from '../object/stored-metadata.ts';
import type { ObjectAddress } from '../object/stored-object.ts';

/** @throws BackendUnavailable */
export async function isOwnerAltered(context: StoreContext, address: ObjectAddress): Promise<boolean> {
  const { tenant, store } = context;
  const response = await store.backend.send({ method: 'HEAD', ...about(context, address) });
  discard(response);
  if (response.status !== 200) return false;
  const stored = fromBackendHeaders(factsOf(response.headers).headers);
  if (stored === undefined) return false;
  try {
    store.headers.open(tenant, address, { ...stored, 'enc-tenant': tenant.id });
    return true;
  } catch (error) {
    if (error instanceof FormatError) return false;
    throw error;
  }
}
