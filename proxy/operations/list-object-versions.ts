/**
 * ListObjectVersions: the backend's page in its order, each version as HEAD would describe it, delete markers in between.
 * S3 API reference, ListObjectVersions.
 */
import { ask } from '../backend/ask.ts';
import { LIST_ENCODING, type ListedVersion, parseListVersions, type VersionsPage } from '../backend/list.ts';
import { S3Error } from '../errors.ts';
import { xmlReply } from '../http/reply.ts';
import type { S3Request } from '../http/request.ts';
import { MAX_LIST_KEYS } from '../limits.ts';
import { etagMode } from '../object/context.ts';
import { encodeListed } from '../object/list-encoding.ts';
import { contentsElement, type PlainRow, plainRows } from '../object/listing.ts';
import { bucketOf, type Operation } from '../operation.ts';
import { renderXml, type XmlElement, XmlSequence } from '../xml/render-xml.ts';
import { encodedParameter, forwarded, pageSize, wantsEncoding } from './request/list-parameters.ts';

const FORWARDED = ['prefix', 'delimiter', 'key-marker', 'version-id-marker'] as const;

export const listObjectVersions: Operation = {
  name: 'ListObjectVersions',
  selector: { method: 'GET', level: 'bucket', subresources: ['versions'] },
  parameters: [...FORWARDED, 'max-keys', 'encoding-type'],
  body: 'none',
  memory: 'listing',
  async run(call) {
    const bucket = bucketOf(call);
    const { request } = call;
    requireKeyMarker(request);
    const etags = await etagMode(call.context, bucket);
    const prefix = request.query.get('prefix') ?? '';
    const encode = wantsEncoding(request);
    const maxKeys = pageSize(request, 'max-keys', MAX_LIST_KEYS);
    const { document } = await ask(call.context, 'ListObjectVersions', {
      method: 'GET',
      bucket,
      query: [['versions', ''], ...forwarded(request, FORWARDED), ['max-keys', String(maxKeys)], LIST_ENCODING],
      headers: call.context.accountHeaders,
    });
    const page = parseListVersions(document);
    const { rows } = await plainRows(call.context, { bucket, prefix, etags }, page.versions);
    const nextKey = page.isTruncated ? page.nextKeyMarker : undefined;
    return xmlReply(
      renderXml('ListVersionsResult', {
        Name: bucket,
        Prefix: encodeListed(prefix, { encode }),
        KeyMarker: encodeListed(request.query.get('key-marker') ?? '', { encode }),
        VersionIdMarker: request.query.get('version-id-marker') ?? '',
        NextKeyMarker: nextKey === undefined ? undefined : encodeListed(nextKey, { encode }),
        NextVersionIdMarker: nextKey === undefined ? undefined : nextVersion(page, nextKey),
        MaxKeys: maxKeys,
        Delimiter: encodedParameter(request, 'delimiter', encode),
        EncodingType: encode ? 'url' : undefined,
        IsTruncated: page.isTruncated,
        Rows: new XmlSequence(
          rows.map((row) => [row.isDeleteMarker ? 'DeleteMarker' : 'Version', element(row, { encode })]),
        ),
        CommonPrefixes: page.commonPrefixes.map((prefix) => ({ Prefix: encodeListed(prefix, { encode }) })),
      }),
    );
  },
};

/**
 * Pagers need both markers of a page that ends with a version. Some stores leave that of a bucket without versioning empty,
 * where every version is the null version. A page that ends with a common prefix has no version at its end.
 */
function nextVersion(page: VersionsPage, nextKey: string): string | undefined {
  if (page.nextVersionIdMarker !== undefined) return page.nextVersionIdMarker;
  // MinIO adds the id of its cached listing to the key.
  const key = nextKey.replace(/\[minio_cache:[^\]]*\]$/, '');
  const last = page.versions.findLast((version) => version.key === key);
  return last === undefined ? undefined : last.versionId || 'null';
}

function element(row: ListedVersion & PlainRow, o: { encode: boolean }): XmlElement {
  const { Key, LastModified, Owner, ...described } = contentsElement(row, { ...o, owner: true });
  const version = { Key, VersionId: row.versionId, IsLatest: row.isLatest, LastModified };
  return row.isDeleteMarker ? { ...version, Owner } : { ...version, ...described, Owner };
}

function requireKeyMarker(request: S3Request): void {
  const marker = request.query.get('version-id-marker');
  if (marker === undefined || marker === '' || (request.query.get('key-marker') ?? '') !== '') return;
  throw new S3Error('InvalidArgument', 'A version-id marker cannot be specified without a key marker.', {
    details: { ArgumentName: 'version-id-marker', ArgumentValue: marker },
  });
}
