/** ListObjects (V1) and ListObjectsV2. S3 API reference; order of elements as S3 writes them. */
import { S3Error } from '../../../errors.ts';
import { MAX_LIST_KEYS } from '../../../limits.ts';
import type { XmlElement } from '../../../xml/render-xml.ts';
import type { BackendResponse } from '../../backend.ts';
import { startAfter, walk } from '../list-walk.ts';
import {
  commonPrefixes,
  decodeToken,
  encodeToken,
  type ListParameters,
  lastName,
  listParameters,
  rowsOf,
} from '../listing.ts';
import { integerParameter, type StoreRequest } from '../request.ts';
import { isoDate, OWNER, quoted, xmlReply } from '../respond.ts';
import type { ListedVersion } from '../rows.ts';
import type { Store } from '../store.ts';

const NUMBER_OF_KEYS = { min: 0, max: 2 ** 31 - 1, otherwise: MAX_LIST_KEYS, clamp: MAX_LIST_KEYS };

export async function listObjectsV1(store: Store, request: StoreRequest): Promise<BackendResponse> {
  const list = listParameters(request);
  const { encode, delimiter } = list;
  const limit = integerParameter(request, 'max-keys', NUMBER_OF_KEYS);
  const marker = request.query.get('marker') ?? '';
  const page = pageOf(store, request, { list, marker: Buffer.from(marker), limit });
  const next = page.truncated && delimiter.length > 0 ? encode(lastName(page.entries)) : undefined;
  return xmlReply('ListBucketResult', {
    Name: request.bucket,
    Prefix: encode(list.prefix),
    Marker: encode(marker),
    NextMarker: next,
    MaxKeys: limit,
    Delimiter: delimiter.length > 0 ? encode(delimiter) : undefined,
    EncodingType: list.encodingType,
    IsTruncated: page.truncated,
    Contents: rowsOf(page.entries).map((row) => contents(row, { encode, owner: true })),
    CommonPrefixes: commonPrefixes(page.entries, encode),
  });
}

export async function listObjectsV2(store: Store, request: StoreRequest): Promise<BackendResponse> {
  const { query } = request;
  if (query.get('list-type') !== '2') {
    throw new S3Error('InvalidArgument', undefined, { details: { ArgumentName: 'list-type' } });
  }
  const list = listParameters(request);
  const { encode, delimiter } = list;
  const limit = integerParameter(request, 'max-keys', NUMBER_OF_KEYS);
  const token = query.get('continuation-token');
  const after = query.get('start-after');
  const marker = token === undefined ? Buffer.from(after ?? '') : decodeToken(token);
  const page = pageOf(store, request, { list, marker, limit });
  const owner = query.get('fetch-owner') === 'true';
  return xmlReply('ListBucketResult', {
    Name: request.bucket,
    Prefix: encode(list.prefix),
    StartAfter: after === undefined ? undefined : encode(after),
    ContinuationToken: token,
    NextContinuationToken: page.truncated ? encodeToken(lastName(page.entries)) : undefined,
    KeyCount: page.entries.length,
    MaxKeys: limit,
    Delimiter: delimiter.length > 0 ? encode(delimiter) : undefined,
    EncodingType: list.encodingType,
    IsTruncated: page.truncated,
    Contents: rowsOf(page.entries).map((row) => contents(row, { encode, owner })),
    CommonPrefixes: commonPrefixes(page.entries, encode),
  });
}

function pageOf(
  store: Store,
  request: StoreRequest,
  o: { readonly list: ListParameters; readonly marker: Buffer; readonly limit: number },
) {
  const bucket = store.index.bucket(request.bucket);
  const { prefix, delimiter } = o.list;
  return walk<ListedVersion>({
    seek: (from) => store.index.currentFrom(bucket.id, from),
    prefix,
    delimiter,
    from: startAfter(o.marker, o.list),
    limit: o.limit,
  });
}

function contents(
  row: ListedVersion,
  o: { readonly encode: ListParameters['encode']; readonly owner: boolean },
): XmlElement {
  return {
    Key: o.encode(row.key),
    LastModified: isoDate(row.modified),
    ETag: quoted(row.etag),
    Size: row.size,
    Owner: o.owner ? OWNER : undefined,
    StorageClass: row.storage_class,
  };
}
