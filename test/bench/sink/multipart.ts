/** The sink's multipart uploads: Create, UploadPart, ListParts, Complete, Abort. */
import { refusedBy } from './conditions.ts';
import type { SinkReply } from './http-server.ts';
import { document, escapeXml } from './listing.ts';
import { contentOf, failure, type ReceivedBody, storedHeaders, xml } from './objects.ts';
import type { SinkRequest } from './request.ts';
import type { SinkStore, StoredObject } from './store.ts';

type Part = Pick<StoredObject, 'size' | 'body' | 'etag' | 'modified'>;

interface Upload {
  readonly headers: string;
  readonly parts: Map<number, Part>;
}

export class SinkUploads {
  readonly #store: SinkStore;
  readonly #uploads = new Map<string, Upload>();
  #count = 0;

  constructor(store: SinkStore) {
    this.#store = store;
  }

  create({ bucket, key, headers }: SinkRequest): SinkReply {
    this.#count += 1;
    const id = `upload-${this.#count}`;
    this.#uploads.set(id, { headers: storedHeaders(headers), parts: new Map() });
    const names = `<Bucket>${bucket}</Bucket><Key>${escapeXml(key)}</Key>`;
    return xml(document('InitiateMultipartUploadResult', [names, `<UploadId>${id}</UploadId>`]));
  }

  uploadPart(request: SinkRequest, body: ReceivedBody): SinkReply {
    const upload = this.#find(request);
    if (upload === undefined) return failure(404, 'NoSuchUpload');
    const number = Number(request.query.get('partNumber'));
    const part = { ...contentOf(request, body), etag: this.#store.nextEtag(), modified: new Date() };
    this.#store.reserve(held(part) - held(upload.parts.get(number)));
    upload.parts.set(number, part);
    return { status: 200, headers: `etag: "${part.etag}"\r\n` };
  }

  listParts(request: SinkRequest): SinkReply {
    const upload = this.#find(request);
    if (upload === undefined) return failure(404, 'NoSuchUpload');
    const after = Number(request.query.get('part-number-marker') ?? 0);
    const most = Number(request.query.get('max-parts') ?? 1000);
    const all = [...upload.parts].sort(([a], [b]) => a - b).filter(([number]) => number > after);
    const rows = all.slice(0, most);
    const last = rows.at(-1)?.[0] ?? after;
    return xml(
      document('ListPartsResult', [
        `<IsTruncated>${all.length > rows.length}</IsTruncated><NextPartNumberMarker>${last}</NextPartNumberMarker>`,
        ...rows.map(
          ([number, { size, etag, modified }]) =>
            `<Part><PartNumber>${number}</PartNumber><LastModified>${modified.toISOString()}</LastModified><ETag>&quot;${etag}&quot;</ETag><Size>${size}</Size></Part>`,
        ),
      ]),
    );
  }

  complete(request: SinkRequest, body: ReceivedBody): SinkReply {
    const upload = this.#find(request);
    if (upload === undefined) return failure(404, 'NoSuchUpload');
    const refused = refusedBy(request, this.#store.get(request.bucket, request.key));
    if (refused !== undefined) return failure(refused);
    const numbers = [
      ...Buffer.concat(body.pieces)
        .toString()
        .matchAll(/<PartNumber>\s*(\d+)\s*</g),
    ].map((m) => Number(m[1]));
    const parts = numbers.flatMap((number) => upload.parts.get(number) ?? []);
    if (parts.length === 0 || parts.length !== numbers.length) return failure(400, 'InvalidPart');
    this.abort(request);
    const etag = `${this.#store.nextEtag()}-${parts.length}`;
    const pieces = parts.flatMap((part) => part.body ?? []);
    const isWhole = parts.every((part) => part.body !== undefined);
    this.#store.put(request.bucket, request.key, {
      size: parts.reduce((sum, part) => sum + part.size, 0),
      etag,
      modified: new Date(),
      headers: upload.headers,
      body: isWhole ? pieces : undefined,
    });
    const names = `<Bucket>${request.bucket}</Bucket><Key>${escapeXml(request.key)}</Key>`;
    return xml(document('CompleteMultipartUploadResult', [names, `<ETag>&quot;${etag}&quot;</ETag>`]));
  }

  abort(request: SinkRequest): SinkReply {
    const upload = this.#find(request);
    if (upload === undefined) return failure(404, 'NoSuchUpload');
    for (const part of upload.parts.values()) this.#store.reserve(-held(part));
    this.#uploads.delete(request.query.get('uploadId') ?? '');
    return { status: 204 };
  }

  #find(request: SinkRequest): Upload | undefined {
    return this.#uploads.get(request.query.get('uploadId') ?? '');
  }
}

function held(part: Part | undefined): number {
  return part?.body === undefined ? 0 : part.size;
}
