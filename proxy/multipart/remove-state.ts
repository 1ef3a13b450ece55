/** Removing what an upload kept in the state bucket, once it is completed or aborted. */
import { createHash } from 'node:crypto';
import type { Backend } from '../backend/backend.ts';
import { discard } from '../backend/read-body.ts';
import type { StateStore } from '../keyring/state.ts';
import { MAX_LIST_KEYS } from '../limits.ts';
import { renderXml } from '../xml.ts';

/** Names not there are no error. @throws BackendUnavailable, or Error when the backend refuses */
export async function removeState(
  o: { backend: Backend; state: StateStore; signal: AbortSignal },
  names: readonly string[],
): Promise<void> {
  for (let from = 0; from < names.length; from += MAX_LIST_KEYS) {
    const objects = names.slice(from, from + MAX_LIST_KEYS).map((name) => ({ Key: o.state.locate(name).key }));
    const body = Buffer.from(renderXml('Delete', { Object: objects, Quiet: true }));
    const response = await o.backend.send({
      method: 'POST',
      bucket: o.state.bucket,
      query: [['delete', '']],
      headers: { 'content-type': 'application/xml', 'content-md5': createHash('md5').update(body).digest('base64') },
      body,
      signal: o.signal,
    });
    discard(response);
    if (response.status !== 200) throw new Error(`the state bucket answered ${response.status} to a deletion`);
  }
}
