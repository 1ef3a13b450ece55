/** Looking at an object without reading it: one HEAD, and for its footer one suffix GET. */
import { sealedPartBytes } from '../../crypto/layout.ts';
import { backendFailure, withoutDocument } from '../backend/errors.ts';
import { discard, readBody } from '../backend/read-body.ts';
import { S3Error } from '../errors.ts';
import { FOOTER_GUESS_BYTES, SMALL_BODY_BYTES } from '../limits.ts';
import { codeBehind } from './code-behind.ts';
import type { StoreContext } from './context.ts';
import { about, factsOf } from './object-request.ts';
import { retryWhenChanged } from './retry-when-changed.ts';
import type { BackendHeaders } from './stored-metadata.ts';
import type { ObjectAddress, StoredObject } from './stored-object.ts';
import { understand } from './understand.ts';

/**
 * HEAD and, for a footered object not in the cache, one suffix GET. With `storedBytes` known to be large, from a listing, the
 * suffix GET alone: it brings the metadata too.
 * @throws S3Error NoSuchKey, AccessDenied, ... as the backend or the attributes have it
 */
export async function inspectObject(
  context: StoreContext,
  address: ObjectAddress,
  o: { storedBytes?: number } = {},
): Promise<StoredObject> {
  const large = o.storedBytes !== undefined && o.storedBytes > LARGEST_SMALL_BYTES;
  return retryWhenChanged(() => (large ? inspectByTail(context, address) : inspectByHead(context, address)));
}

/** Beyond it a sealed object has a footer. */
export const LARGEST_SMALL_BYTES = sealedPartBytes(SMALL_BODY_BYTES);

async function inspectByHead(context: StoreContext, address: ObjectAddress): Promise<StoredObject> {
  const response = await context.store.backend.send({ method: 'HEAD', ...about(context, address) });
  discard(response);
  if (response.status === 403 || response.status === 400) throw await refused(context, address, response.status);
  if (response.status !== 200) throw headFailure(response.status, response.headers, address);
  return understand(context, address, factsOf(response.headers));
}

async function inspectByTail(context: StoreContext, address: ObjectAddress): Promise<StoredObject> {
  const { headers, ...request } = about(context, address);
  const range = `bytes=-${FOOTER_GUESS_BYTES}`;
  const response = await context.store.backend.send({ method: 'GET', ...request, headers: { ...headers, range } });
  if (response.status !== 206) {
    discard(response);
    return inspectByHead(context, address);
  }
  const tail = await readBody(response, { maxBytes: FOOTER_GUESS_BYTES });
  return understand(context, address, factsOf(response.headers), tail);
}

async function refused(context: StoreContext, address: ObjectAddress, status: number): Promise<S3Error> {
  const { headers, ...request } = about(context, address);
  const answer = await codeBehind(context, { ...request, headers: { ...headers, range: 'bytes=0-0' } }, status);
  const isArgument = status === 400 && ['', 'InvalidArgument'].includes(answer.code);
  return isArgument ? refusedArgument(address) : backendFailure(answer, { operation: 'HeadObject', ...address });
}

/** The version id is the only argument of the HEAD. Not every store names it, or has a document for the same question as a GET. */
function refusedArgument({ versionId }: ObjectAddress): S3Error {
  if (versionId === undefined) return new S3Error('InvalidArgument');
  return new S3Error('InvalidArgument', 'Invalid version id specified', {
    details: { ArgumentName: 'versionId', ArgumentValue: versionId },
  });
}

/** A HEAD has no error document: the status, and what S3 sends beside it, tell what happened. */
function headFailure(status: number, headers: BackendHeaders, address: ObjectAddress): S3Error {
  const deleteMarker = headers['x-amz-delete-marker'];
  const extra: Record<string, string> = {};
  for (const name of ['x-amz-delete-marker', 'x-amz-version-id', 'last-modified', 'allow']) {
    const value = headers[name];
    if (value !== undefined) extra[name] = value;
  }
  if (status === 404) {
    const { key, versionId } = address;
    if (versionId === undefined) return new S3Error('NoSuchKey', undefined, { headers: extra, details: { Key: key } });
    const details = { Key: key, VersionId: versionId };
    return new S3Error('NoSuchVersion', undefined, { headers: extra, details });
  }
  if (status === 405 && deleteMarker === 'true') {
    // Of the operations that begin with a HEAD, those that answer with a document are GETs.
    const details = { Method: 'GET', ResourceType: 'DeleteMarker' };
    return new S3Error('MethodNotAllowed', undefined, { headers: extra, details });
  }
  return backendFailure(withoutDocument(status), { operation: 'HeadObject', ...address });
}
