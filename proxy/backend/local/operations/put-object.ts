/** PutObject, conditional writes included. S3: PutObject. */
import type { BackendResponse } from '../../backend.ts';
import { requireObjectLock } from '../bucket-settings.ts';
import { writeConditions } from '../conditions.ts';
import { ENCRYPTED } from '../honoured-headers.ts';
import { lockAsked, renderLock } from '../locks.ts';
import { storageClass, storedHeaders, versionHeader } from '../object-headers.ts';
import { storeBody } from '../receive-body.ts';
import type { StoreRequest } from '../request.ts';
import { quoted, reply } from '../respond.ts';
import type { Store } from '../store.ts';
import { tagsFromHeader } from '../tags.ts';

export async function putObject(store: Store, request: StoreRequest): Promise<BackendResponse> {
  const { bucket, key, headers } = request;
  const found = store.index.bucket(bucket);
  const described = {
    conditions: writeConditions(headers),
    storageClass: storageClass(headers),
    headers: storedHeaders(headers),
    tags: tagsFromHeader(headers['x-amz-tagging']),
    lock: lockAsked(headers, store.now()),
  };
  // Before the body, which may be long; the commit asks once more.
  if (renderLock(described.lock) !== '') requireObjectLock(found);
  return storeBody(store, request, async (body, transfer) => {
    // Evaluated once the body has arrived: its time of arrival is the object's.
    const put = { bucket, key, body, modified: store.now(), ...described };
    const etag = quoted(body.md5);
    const { versionId } = await store.writer.run('putObject', put, transfer, request.isEssential);
    return reply(200, { etag, ...ENCRYPTED, ...versionHeader(versionId) });
  });
}
