/** The ETag that a writer is told of the object it has just stored. */
import { discard } from '../backend/read-body.ts';
import type { StoreContext } from './context.ts';
import { type EtagMode, type EtagSources, sealedEtag } from './etags.ts';
import { about } from './object-request.ts';
import type { ObjectAddress } from './stored-object.ts';

/**
 * Some stores leave the ETag out of an answer to a write. Where the ETag is needed, the object is then asked for it: the write is
 * done, and a refusal would make the client write again.
 * @param o.stored as the answer to the write has it
 * @throws BackendUnavailable when the store does not say at all
 */
export async function writtenEtag(
  context: StoreContext,
  address: ObjectAddress,
  o: EtagSources & { readonly mode: EtagMode },
): Promise<string> {
  const { mode, late, stored } = o;
  const isNeeded = mode === 'opaque' || late.md5 === undefined;
  if (!isNeeded || stored !== undefined) return sealedEtag(mode, { late, stored });
  const response = await context.store.backend.send({ method: 'HEAD', ...about(context, address) });
  discard(response);
  return sealedEtag(mode, { late, stored: response.headers['etag'] });
}
