/** Removing what an upload kept in the state bucket, once it is completed or aborted. */
import { createHash } from 'node:crypto';
import type { Backend } from '../backend/backend.ts';
import { backendFailure, readErrorResponse } from '../backend/errors.ts';
import { readBody } from '../backend/read-body.ts';
import type { StateStore } from '../keyring/state/state.ts';
import { MAX_BACKEND_XML_BYTES, MAX_LIST_KEYS } from '../limits.ts';
import { parseAnyXml, renderXml } from '../xml/render-xml.ts';
import { recordName } from './upload-record.ts';

/** The record goes last: as long as it is there, whoever is interrupted finds the rest again. */
export function recordLast(id: string, names: readonly string[]): readonly string[] {
  const record = recordName(id);
  return [...names.filter((name) => name !== record), ...names.filter((name) => name === record)];
}

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
    if (response.status !== 200) {
      const { bucket } = o.state;
      throw backendFailure(await readErrorResponse(response), { operation: 'DeleteObjects', bucket });
    }
    requireAllDeleted((await readBody(response, { maxBytes: MAX_BACKEND_XML_BYTES })).toString('utf8'));
  }
}

/** Every refused key has a row of its own in a 200. */
function requireAllDeleted(document: string): void {
  if (document.trim() === '') return;
  const refused = parseAnyXml(document).child('DeleteResult')?.child('Error');
  if (refused !== undefined) throw new Error(`the state bucket refused a deletion: ${refused.value('Code') ?? ''}`);
}
