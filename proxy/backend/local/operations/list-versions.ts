/** ListObjectVersions: versions and delete markers, keys in order, newest first. S3 API reference. */
import { S3Error } from '../../../errors.ts';
import { MAX_LIST_KEYS } from '../../../limits.ts';
import { type XmlElement, XmlSequence } from '../../../xml/render-xml.ts';
import type { BackendResponse } from '../../backend.ts';
import { startAfter, walk } from '../list-walk.ts';
import { commonPrefixes, type ListParameters, lastName, listParameters, rowsOf } from '../listing.ts';
import { integerParameter, type StoreRequest, versionParameter } from '../request.ts';
import { isoDate, OWNER, quoted, xmlReply } from '../respond.ts';
import type { ListedVersion } from '../rows.ts';
import type { Store } from '../store.ts';
import { versionSequence } from '../version-id.ts';

const NUMBER_OF_KEYS = { min: 0, max: 2 ** 31 - 1, otherwise: MAX_LIST_KEYS, clamp: MAX_LIST_KEYS };

export async function listObjectVersions(store: Store, request: StoreRequest): Promise<BackendResponse> {
  const bucket = store.index.bucket(request.bucket);
  const list = listParameters(request);
  const { encode, prefix, delimiter } = list;
  const limit = integerParameter(request, 'max-keys', NUMBER_OF_KEYS);
  const keyMarker = request.query.get('key-marker') ?? '';
  const versionMarker = request.query.get('version-id-marker') ?? '';
  const rest = restOfKey(store, bucket.id, keyMarker, versionMarker);
  const page = walk<ListedVersion>({
    seek: (from) => store.index.versionsFrom(bucket.id, from),
    prefix,
    delimiter,
    from: startAfter(Buffer.from(keyMarker), list),
    first: keyMarker.startsWith(prefix.toString()) ? rest : [],
    limit,
  });
  const rows = rowsOf(page.entries);
  const last = page.entries.at(-1);
  return xmlReply('ListVersionsResult', {
    Name: request.bucket,
    Prefix: encode(prefix),
    KeyMarker: encode(keyMarker),
    VersionIdMarker: versionMarker,
    NextKeyMarker: page.truncated ? encode(lastName(page.entries)) : undefined,
    NextVersionIdMarker: page.truncated && last !== undefined && 'row' in last ? last.row.version : undefined,
    MaxKeys: limit,
    Delimiter: delimiter.length > 0 ? encode(delimiter) : undefined,
    EncodingType: list.encodingType,
    IsTruncated: page.truncated,
    Rows: new XmlSequence(
      rows.map((row) => [row.marker === 1 ? 'DeleteMarker' : 'Version', describe(row, encode)] as const),
    ),
    CommonPrefixes: commonPrefixes(page.entries, encode),
  });
}

/**
 * Versions of the marker's key that are older than the marker's version, which may have been deleted since: its place is in
 * its id. The null version's is not; when it is gone, the key's versions are listed anew.
 */
function restOfKey(store: Store, bucket: number, keyMarker: string, versionMarker: string): Iterable<ListedVersion> {
  if (versionMarker === '') return [];
  if (keyMarker === '') {
    throw new S3Error('InvalidArgument', 'A version-id marker cannot be specified without a key marker.', {
      details: { ArgumentName: 'version-id-marker', ArgumentValue: versionMarker },
    });
  }
  versionParameter(versionMarker);
  const key = Buffer.from(keyMarker);
  const id = versionSequence(versionMarker) ?? store.index.version(bucket, key, versionMarker)?.id;
  return store.index.olderVersions(bucket, key, id ?? Number.MAX_SAFE_INTEGER);
}

function describe(row: ListedVersion, encode: ListParameters['encode']): XmlElement {
  const named = {
    Key: encode(row.key),
    VersionId: row.version,
    IsLatest: row.latest === 1,
    LastModified: isoDate(row.modified),
  };
  if (row.marker === 1) return { ...named, Owner: OWNER };
  return { ...named, ETag: quoted(row.etag), Size: row.size, StorageClass: row.storage_class, Owner: OWNER };
}
