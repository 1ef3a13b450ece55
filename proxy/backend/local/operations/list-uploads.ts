/** ListMultipartUploads and ListParts. S3 API reference; order of elements as S3 writes them. */
import { MAX_LIST_KEYS } from '../../../limits.ts';
import type { BackendResponse } from '../../backend.ts';
import { startAfter, walk } from '../list-walk.ts';
import { commonPrefixes, lastName, listParameters, rowsOf } from '../listing.ts';
import { integerParameter, type StoreRequest } from '../request.ts';
import { isoDate, OWNER, quoted, xmlReply } from '../respond.ts';
import type { UploadRow } from '../rows.ts';
import type { Store } from '../store.ts';

const PAGE = { min: 0, max: 2 ** 31 - 1, otherwise: MAX_LIST_KEYS, clamp: MAX_LIST_KEYS };

export async function listMultipartUploads(store: Store, request: StoreRequest): Promise<BackendResponse> {
  const bucket = store.index.bucket(request.bucket);
  const list = listParameters(request);
  const { encode, prefix, delimiter } = list;
  const limit = integerParameter(request, 'max-uploads', PAGE);
  const keyMarker = request.query.get('key-marker') ?? '';
  // Without a key marker S3 ignores the upload's.
  const uploadMarker = keyMarker === '' ? '' : (request.query.get('upload-id-marker') ?? '');
  const resume = uploadMarker !== '' && keyMarker.startsWith(prefix.toString());
  const page = walk<UploadRow>({
    seek: (from) => store.index.uploadsFrom(bucket.id, from),
    prefix,
    delimiter,
    from: startAfter(Buffer.from(keyMarker), list),
    first: resume ? store.index.uploadsOfKeyAfter(bucket.id, Buffer.from(keyMarker), uploadMarker) : [],
    limit,
  });
  const last = page.entries.at(-1);
  return xmlReply('ListMultipartUploadsResult', {
    Bucket: request.bucket,
    KeyMarker: encode(keyMarker),
    UploadIdMarker: uploadMarker,
    NextKeyMarker: page.truncated ? encode(lastName(page.entries)) : undefined,
    NextUploadIdMarker: page.truncated && last !== undefined && 'row' in last ? last.row.id : undefined,
    Delimiter: delimiter.length > 0 ? encode(delimiter) : undefined,
    Prefix: encode(prefix),
    EncodingType: list.encodingType,
    MaxUploads: limit,
    IsTruncated: page.truncated,
    Upload: rowsOf(page.entries).map((row) => ({
      Key: encode(row.key),
      UploadId: row.id,
      Initiator: OWNER,
      Owner: OWNER,
      StorageClass: row.storage_class,
      Initiated: isoDate(row.initiated),
    })),
    CommonPrefixes: commonPrefixes(page.entries, encode),
  });
}

export async function listParts(store: Store, request: StoreRequest): Promise<BackendResponse> {
  const { bucket, keyBytes, query } = request;
  const upload = store.index.upload(store.index.bucket(bucket).id, keyBytes, query.get('uploadId') ?? '');
  const { encode, encodingType } = listParameters(request);
  const limit = integerParameter(request, 'max-parts', PAGE);
  const after = integerParameter(request, 'part-number-marker', { min: 0, max: 2 ** 31 - 1, otherwise: 0 });
  const found = store.index.parts(upload.id, after, limit + 1);
  const page = found.slice(0, limit);
  const truncated = limit > 0 && found.length > limit;
  return xmlReply('ListPartsResult', {
    Bucket: bucket,
    Key: encode(upload.key),
    UploadId: upload.id,
    PartNumberMarker: after,
    NextPartNumberMarker: page.at(-1)?.number ?? after,
    MaxParts: limit,
    EncodingType: encodingType,
    IsTruncated: truncated,
    Part: page.map((part) => ({
      PartNumber: part.number,
      LastModified: isoDate(part.modified),
      ETag: quoted(part.etag),
      Size: part.size,
    })),
    Initiator: OWNER,
    Owner: OWNER,
    StorageClass: upload.storage_class,
  });
}
