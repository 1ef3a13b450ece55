/**
 * The code behind a 400 or 403 to the proxy's own HEAD. A HEAD has no document, so its status does not say whether the store
 * refuses the client's request or does not accept the proxy's credentials (a token that expired is a 400). The same question as a
 * GET has a document; it is asked on this path alone.
 */
import type { BackendRequest } from '../backend/backend.ts';
import { readErrorResponse, withoutDocument } from '../backend/errors.ts';
import { discard } from '../backend/read-body.ts';
import type { BackendErrorDocument } from '../backend/trouble/store-refusal.ts';
import type { StoreContext } from './context.ts';

/** @param request of a GET that needs the same permission as the HEAD did, which was answered with `status` */
export async function codeBehind(
  context: StoreContext,
  request: Omit<BackendRequest, 'method' | 'signal'>,
  status: number,
): Promise<BackendErrorDocument> {
  const response = await context.store.backend.send({ ...request, method: 'GET', signal: context.signal });
  if (response.status === status) return readErrorResponse(response);
  discard(response);
  return withoutDocument(status);
}
