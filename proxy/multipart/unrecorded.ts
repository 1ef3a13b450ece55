/**
 * Uploads that only the backend knows: Creates that were cut off before their record was written, and long PUTs, forms and
 * copies cut off in the middle. Other programs' uploads into the same buckets look alike, so this is asked for by name.
 */
import type { Backend, QueryParameter } from '../backend/backend.ts';
import { backendFailure, readErrorResponse } from '../backend/errors.ts';
import { decodeListedName, LIST_ENCODING } from '../backend/list.ts';
import { readBody } from '../backend/read-body.ts';
import type { StateStore } from '../keyring/state/state.ts';
import { MAX_BACKEND_XML_BYTES } from '../limits.ts';
import { parseXmlRoot, type XmlNode } from '../xml/render-xml.ts';
import type { UploadAddress } from './upload.ts';
import { recordName, uploadIdOf } from './upload-record.ts';

export interface UnrecordedOptions {
  readonly backend: Backend;
  readonly state: StateStore;
  readonly signal: AbortSignal;
  readonly now: Date;
  /** Uploads begun later are passed over, milliseconds. */
  readonly abandonedAfterMs: number;
}

/** @throws BackendUnavailable, and Error when the backend refuses a listing */
export async function* unrecordedUploads(o: UnrecordedOptions): AsyncGenerator<UploadAddress> {
  for (const bucket of await bucketNames(o)) {
    if (bucket === o.state.bucket) continue;
    for await (const { begun, ...address } of uploadsOf(o, bucket)) {
      if (!(o.now.getTime() - begun > o.abandonedAfterMs)) continue;
      if ((await o.state.get(recordName(uploadIdOf(address)), o.signal)) === undefined) yield address;
    }
  }
}

async function bucketNames(o: UnrecordedOptions): Promise<readonly string[]> {
  const root = await list(o, {});
  const rows = root.child('Buckets')?.children('Bucket') ?? [];
  return rows.map((row) => row.value('Name') ?? '').filter((name) => name !== '');
}

async function* uploadsOf(o: UnrecordedOptions, bucket: string): AsyncGenerator<UploadAddress & { begun: number }> {
  let markers: QueryParameter[] = [];
  for (;;) {
    const root = await list(o, { bucket, query: [['uploads', ''], ...markers, LIST_ENCODING] });
    const encoded = root.value('EncodingType')?.trim() === 'url';
    const decode = (text: string) => (encoded ? decodeListedName(text) : text);
    for (const row of root.children('Upload')) {
      const uploadId = row.value('UploadId');
      const key = row.value('Key');
      if (uploadId === undefined || key === undefined) continue;
      yield { bucket, key: decode(key), uploadId, begun: Date.parse(row.value('Initiated') ?? '') };
    }
    const next: QueryParameter[] = [
      ['key-marker', decode(root.value('NextKeyMarker') ?? '')],
      ['upload-id-marker', root.value('NextUploadIdMarker') ?? ''],
    ];
    const isLast = root.value('IsTruncated')?.trim() !== 'true';
    if (isLast || JSON.stringify(next) === JSON.stringify(markers)) return;
    markers = next;
  }
}

async function list(
  o: UnrecordedOptions,
  request: { bucket?: string; query?: readonly QueryParameter[] },
): Promise<XmlNode> {
  const response = await o.backend.send({ method: 'GET', ...request, signal: o.signal });
  if (response.status !== 200) {
    const operation = request.bucket === undefined ? 'ListBuckets' : 'ListMultipartUploads';
    throw backendFailure(await readErrorResponse(response), { operation, bucket: request.bucket });
  }
  return parseXmlRoot((await readBody(response, { maxBytes: MAX_BACKEND_XML_BYTES })).toString('utf8'));
}
