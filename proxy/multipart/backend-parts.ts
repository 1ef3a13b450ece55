/** The backend's own view of an upload: its parts, page by page. */
import { ask } from '../backend/ask.ts';
import { BackendUnavailable, type QueryParameter } from '../backend/backend.ts';
import { parseXmlRoot } from '../xml/render-xml.ts';
import type { UploadAddress } from './upload.ts';
import type { UploadContext } from './upload-context.ts';

export interface BackendPart {
  readonly number: number;
  /** As given, quotes included. */
  readonly etag: string;
  /** Stored bytes. */
  readonly size: number;
  readonly lastModified: Date;
}

/** What ListParts says beside the parts. */
export interface BackendUpload {
  readonly parts: ReadonlyMap<number, BackendPart>;
  readonly storageClass: string | undefined;
}

/** @throws S3Error NoSuchUpload, ... */
export async function backendUpload(context: UploadContext, address: UploadAddress): Promise<BackendUpload> {
  const parts = new Map<number, BackendPart>();
  let marker = '';
  for (;;) {
    const query: QueryParameter[] = [['uploadId', address.uploadId]];
    if (marker !== '') query.push(['part-number-marker', marker]);
    const { bucket, key } = address;
    const headers = context.accountHeaders;
    const { document } = await ask(context, 'ListParts', { method: 'GET', bucket, key, query, headers });
    const root = parseXmlRoot(document);
    for (const row of root.children('Part')) {
      const number = Number(row.value('PartNumber'));
      const size = Number(row.value('Size'));
      const lastModified = new Date(row.value('LastModified') ?? '');
      if (!Number.isInteger(number) || !Number.isInteger(size) || Number.isNaN(lastModified.getTime())) {
        throw new BackendUnavailable('its list of parts has a row without number, size or date');
      }
      parts.set(number, { number, etag: quoted(row.value('ETag') ?? ''), size, lastModified });
    }
    const next = root.value('NextPartNumberMarker') ?? '';
    if (root.value('IsTruncated')?.trim() !== 'true' || next === marker || next === '') {
      return { parts, storageClass: root.value('StorageClass') };
    }
    marker = next;
  }
}

export function quoted(etag: string): string {
  return etag.startsWith('"') ? etag : `"${etag}"`;
}
