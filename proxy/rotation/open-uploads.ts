/**
 * Uploads in progress that an older epoch wraps. The store was given the metadata of the future object at Create and cannot
 * change them, so these uploads must be completed or aborted before the epoch can be retired.
 */
import { parseHeader } from '../../crypto/header-fields.ts';
import type { StateStore } from '../keyring/state/state.ts';
import { recordName, StoredRecord, UPLOADS_PREFIX } from '../multipart/upload-record.ts';

export interface OlderUpload {
  readonly bucket: string;
  readonly key: string;
  readonly uploadId: string;
  readonly created: string;
  readonly epoch: number;
}

/** Of `tenant`, wrapped by an epoch before `epoch`. @throws S3Error ServiceUnavailable */
export async function olderUploads(
  state: StateStore,
  o: { tenant: string; epoch: number },
  signal: AbortSignal,
): Promise<readonly OlderUpload[]> {
  const found: OlderUpload[] = [];
  for await (const name of state.list(UPLOADS_PREFIX, signal)) {
    const id = name.slice(UPLOADS_PREFIX.length).split('/')[0] ?? '';
    if (name !== recordName(id)) continue;
    const upload = parse((await state.get(name, signal))?.body);
    if (upload !== undefined && upload.tenant === o.tenant && upload.epoch < o.epoch) found.push(upload);
  }
  return found.map(({ bucket, key, uploadId, created, epoch }) => ({ bucket, key, uploadId, created, epoch }));
}

/** `undefined`: ended meanwhile, or damaged, and then no object can come of it. */
function parse(body: Buffer | undefined): (OlderUpload & { tenant: string }) | undefined {
  if (body === undefined) return undefined;
  try {
    const { bucket, key, uploadId, created, header } = StoredRecord.parse(JSON.parse(body.toString('utf8')));
    const { tenant, terms } = parseHeader({ ...header, 'enc-attrs': header['enc-attrs'] });
    return { bucket, key, uploadId, created, epoch: terms.epoch, tenant: tenant.toString('hex') };
  } catch {
    return undefined;
  }
}
