/** DeleteObject and DeleteObjects. S3: DeleteObject (conditional deletes included), DeleteObjects. */
import { S3Error } from '../../../errors.ts';
import { MAX_KEY_BYTES, MAX_LIST_KEYS } from '../../../limits.ts';
import { parseXml, type XmlElement, type XmlNode } from '../../../xml/render-xml.ts';
import { isXmlText } from '../../../xml/xml-characters.ts';
import type { BackendResponse } from '../../backend.ts';
import type { Deletion, DeletionOutcome } from '../mutations/objects.ts';
import { versionHeader } from '../object-headers.ts';
import { receiveDocument } from '../receive-body.ts';
import { overrideOf, type StoreRequest, versionParameter } from '../request.ts';
import { reply, xmlReply } from '../respond.ts';
import type { Store } from '../store.ts';

export async function deleteObject(store: Store, request: StoreRequest): Promise<BackendResponse> {
  const { bucket, key, headers, query } = request;
  const versionId = versionParameter(query.get('versionId'));
  const override = overrideOf(request, store.now());
  const deletion = { bucket, key, versionId, ifMatch: headers['if-match'], override };
  const deleted = await store.writer.run('deleteObject', deletion);
  const marker = deleted.deleteMarker ? { 'x-amz-delete-marker': 'true' } : {};
  return reply(204, { ...marker, ...versionHeader(deleted.versionId) });
}

export async function deleteObjects(store: Store, request: StoreRequest): Promise<BackendResponse> {
  store.index.bucket(request.bucket);
  if (request.headers['content-md5'] === undefined) {
    throw new S3Error('InvalidRequest', 'Missing required header for this request: Content-MD5');
  }
  const root = parseXml((await receiveDocument(request)).toString(), 'Delete');
  const objects = root.children('Object');
  if (objects.length === 0 || objects.length > MAX_LIST_KEYS) throw new S3Error('MalformedXML');
  const named = objects.map(readObject);
  const deletions = named.filter((item): item is Deletion => !('error' in item));
  const outcomes = await store.writer.run('deleteObjects', {
    bucket: request.bucket,
    override: overrideOf(request, store.now()),
    deletions,
  });
  const quiet = root.value('Quiet')?.trim() === 'true';
  let next = 0;
  const rows = named.map((item) => {
    const outcome = 'error' in item ? { error: item.error } : outcomes[next++];
    if (outcome === undefined) throw new Error('a deletion without an outcome');
    return describe(item, outcome);
  });
  return xmlReply('DeleteResult', {
    Deleted: quiet ? [] : rows.flatMap((row) => ('Deleted' in row ? [row.Deleted] : [])),
    Error: rows.flatMap((row) => ('Error' in row ? [row.Error] : [])),
  });
}

type Refused = Deletion & { readonly error: { readonly code: string; readonly message: string } };

/** @throws S3Error MalformedXML; a key or version that cannot exist fails alone */
function readObject(object: XmlNode): Deletion | Refused {
  const key = object.value('Key');
  if (key === undefined || key === '' || !isXmlText(key)) throw new S3Error('MalformedXML');
  const deletion = { key, versionId: object.value('VersionId'), ifMatch: object.value('ETag') };
  try {
    if (Buffer.byteLength(key) > MAX_KEY_BYTES) throw new S3Error('KeyTooLongError');
    if (object.child('LastModifiedTime') !== undefined || object.child('Size') !== undefined) {
      throw new S3Error('NotImplemented');
    }
    versionParameter(deletion.versionId);
    return deletion;
  } catch (error) {
    if (error instanceof S3Error) {
      return { ...deletion, error: { code: error.code, message: error.message } };
    }
    throw error;
  }
}

function describe(
  item: Deletion,
  outcome: DeletionOutcome,
): { readonly Deleted: XmlElement } | { readonly Error: XmlElement } {
  const named = { Key: item.key, VersionId: item.versionId };
  if ('error' in outcome) return { Error: { ...named, Code: outcome.error.code, Message: outcome.error.message } };
  if (!outcome.deleteMarker) return { Deleted: named };
  return { Deleted: { ...named, DeleteMarker: true, DeleteMarkerVersionId: outcome.versionId } };
}
