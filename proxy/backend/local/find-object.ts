/** The version that a request names, and S3's answers where there is none. */
import { S3Error } from '../../errors.ts';
import { versionHeader } from './object-headers.ts';
import { type StoreRequest, versionParameter } from './request.ts';
import { httpDate } from './respond.ts';
import type { BucketRow, VersionRow } from './rows.ts';
import type { Store } from './store.ts';

export interface FoundObject {
  readonly bucket: BucketRow;
  readonly row: VersionRow;
  /** Of `row`: an object always has one. */
  readonly body: number;
}

/** @throws S3Error NoSuchBucket, NoSuchKey, NoSuchVersion; MethodNotAllowed for a delete marker named by version */
export function findObject(store: Store, request: StoreRequest): FoundObject {
  const versionId = versionParameter(request.query.get('versionId'));
  const bucket = store.index.bucket(request.bucket);
  const row =
    versionId === undefined
      ? store.index.latest(bucket.id, request.keyBytes)
      : store.index.version(bucket.id, request.keyBytes, versionId);
  const details = { Key: request.key };
  if (row === undefined) {
    if (versionId === undefined) throw new S3Error('NoSuchKey', undefined, { details });
    throw new S3Error('NoSuchVersion', undefined, { details: { ...details, VersionId: versionId } });
  }
  if (row.marker === 1) {
    const headers = { 'x-amz-delete-marker': 'true', ...versionHeader(row.version) };
    if (versionId === undefined) throw new S3Error('NoSuchKey', undefined, { details, headers });
    throw new S3Error('MethodNotAllowed', undefined, {
      details: { Method: request.method, ResourceType: 'DeleteMarker' },
      headers: { ...headers, allow: 'DELETE', 'last-modified': httpDate(row.modified) },
    });
  }
  if (row.body === null) throw new Error('an object without a body');
  return { bucket, row, body: row.body };
}
