/**
 * The code behind a 403 to the proxy's own HEAD. A HEAD has no document, so its 403 does not say whether the store refuses the
 * client's request or does not accept the proxy's credentials. The same question as a GET has a document; it is asked on this
 * path alone.
 */
import type { BackendRequest } from '../backend/backend.ts';
import { type BackendErrorDocument, readErrorResponse, withoutDocument } from '../backend/errors.ts';
import { discard } from '../backend/read-body.ts';
import type { StoreContext } from './context.ts';

/** @param request of a GET that needs the same permission as the HEAD did */
export async function codeBehind(
  context: StoreContext,
  request: Omit<BackendRequest, 'method' | 'signal'>,
): Promise<BackendErrorDocument> {
  const response = await context.store.backend.send({ ...request, method: 'GET', signal: context.signal });
  if (response.status === 403) return readErrorResponse(response);
  discard(response);
  return withoutDocument(403);
}
