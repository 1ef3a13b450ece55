/** The sink's listings, in S3's XML: ListObjectsV2, ListObjects and ListObjectVersions of one page. */
import type { SinkRequest } from './request.ts';
import type { SinkStore, StoredObject } from './store.ts';

const MAX_KEYS = 1000;

interface Row {
  readonly key: string;
  readonly object: StoredObject;
}

interface Page {
  readonly rows: readonly Row[];
  readonly prefixes: readonly string[];
  /** The last key or common prefix, when there is more. */
  readonly next: string | undefined;
}

export function listObjects(store: SinkStore, request: SinkRequest): string {
  const { query, bucket } = request;
  if (query.has('versions')) return listVersions(store, request);
  const isV2 = query.get('list-type') === '2';
  const start = isV2 ? (query.get('continuation-token') ?? query.get('start-after')) : query.get('marker');
  const page = pageOf(store, request, start ?? '');
  const encode = encoder(request);
  const count = page.rows.length + page.prefixes.length;
  const next = page.next === undefined ? '' : escapeXml(isV2 ? page.next : encode(page.next));
  return document('ListBucketResult', [
    `<Name>${bucket}</Name><Prefix>${escapeXml(encode(query.get('prefix') ?? ''))}</Prefix>`,
    `<MaxKeys>${maxKeys(request)}</MaxKeys><IsTruncated>${page.next !== undefined}</IsTruncated>`,
    query.has('encoding-type') ? '<EncodingType>url</EncodingType>' : '',
    isV2 ? `<KeyCount>${count}</KeyCount>` : '',
    next === ''
      ? ''
      : isV2
        ? `<NextContinuationToken>${next}</NextContinuationToken>`
        : `<NextMarker>${next}</NextMarker>`,
    ...page.rows.map((row) => `<Contents><Key>${escapeXml(encode(row.key))}</Key>${facts(row.object)}</Contents>`),
    ...page.prefixes.map((p) => `<CommonPrefixes><Prefix>${escapeXml(encode(p))}</Prefix></CommonPrefixes>`),
  ]);
}

function listVersions(store: SinkStore, request: SinkRequest): string {
  const page = pageOf(store, request, request.query.get('key-marker') ?? '');
  const encode = encoder(request);
  const next = page.next === undefined ? '' : `<NextKeyMarker>${escapeXml(encode(page.next))}</NextKeyMarker>`;
  return document('ListVersionsResult', [
    `<Name>${request.bucket}</Name><Prefix></Prefix><MaxKeys>${maxKeys(request)}</MaxKeys>`,
    `<IsTruncated>${page.next !== undefined}</IsTruncated>${next}`,
    request.query.has('encoding-type') ? '<EncodingType>url</EncodingType>' : '',
    ...page.rows.map(
      ({ key, object }) =>
        `<Version><Key>${escapeXml(encode(key))}</Key><VersionId>null</VersionId><IsLatest>true</IsLatest>${facts(object)}</Version>`,
    ),
  ]);
}

function facts(object: StoredObject): string {
  return `<LastModified>${object.modified.toISOString()}</LastModified><ETag>&quot;${object.etag}&quot;</ETag><Size>${object.size}</Size><StorageClass>STANDARD</StorageClass>`;
}

function pageOf(store: SinkStore, request: SinkRequest, after: string): Page {
  const prefix = request.query.get('prefix') ?? '';
  const delimiter = request.query.get('delimiter') ?? '';
  const most = maxKeys(request);
  const rows: Row[] = [];
  const prefixes: string[] = [];
  let last = '';
  for (const key of store.keys(request.bucket)) {
    if (!key.startsWith(prefix) || key <= after) continue;
    const end = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length);
    const common = end < 0 ? undefined : key.slice(0, end + delimiter.length);
    if (common !== undefined && (common === prefixes.at(-1) || common <= after)) continue;
    if (rows.length + prefixes.length === most) return { rows, prefixes, next: last };
    last = common ?? key;
    const object = common === undefined ? store.get(request.bucket, key) : undefined;
    if (object !== undefined) rows.push({ key, object });
    else if (common !== undefined) prefixes.push(common);
  }
  return { rows, prefixes, next: undefined };
}

function maxKeys(request: SinkRequest): number {
  return Math.min(MAX_KEYS, Number(request.query.get('max-keys') ?? MAX_KEYS));
}

function encoder(request: SinkRequest): (text: string) => string {
  return request.query.has('encoding-type')
    ? (text) => encodeURIComponent(text).replaceAll('%2F', '/')
    : (text) => text;
}

export function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

export function document(root: string, parts: readonly string[]): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n<${root} xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${parts.join('')}</${root}>`;
}
