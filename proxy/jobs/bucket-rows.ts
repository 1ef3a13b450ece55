/** The objects of one bucket in the order of the store's listing, from any row on: what a job that is gone on with needs. */
import { type ListSource, listObjects, listVersions } from '../backend/list-all.ts';
import type { Cursor } from './job-record.ts';
import { Patience } from './patience.ts';

export interface BucketRow {
  readonly key: string;
  /** Named only where every version is listed. */
  readonly versionId: string | undefined;
  /** Whether it is what a GET without a version id gives. */
  readonly isLatest: boolean;
  readonly isDeleteMarker: boolean;
  /** Bytes as stored. */
  readonly size: number;
  readonly lastModified: Date;
}

export interface BucketScope {
  readonly bucket: string;
  readonly prefix: string;
  /** Every version and delete marker, in place of current objects. */
  readonly versions: boolean;
}

export function cursorOf({ key, versionId }: Pick<BucketRow, 'key' | 'versionId'>): Cursor {
  return { key, versionId: versionId ?? null };
}

/** Rows behind `after`. A page that the store does not give is asked for again. @throws S3Error, BackendUnavailable */
export async function* bucketRows(
  source: ListSource,
  scope: BucketScope,
  after: Cursor | null,
): AsyncGenerator<BucketRow> {
  const patience = new Patience();
  for (let last = after; ; ) {
    try {
      for await (const row of listed(source, scope, last)) {
        yield row;
        last = cursorOf(row);
        patience.renew();
      }
      return;
    } catch (error) {
      await patience.after(error, source.signal);
    }
  }
}

/** Whether the listing has an object, or the version that is named. @throws S3Error, BackendUnavailable */
export async function isListed(
  source: ListSource,
  { bucket, key, versionId }: { bucket: string; key: string; versionId: string | undefined },
): Promise<boolean> {
  for await (const row of listed(source, { bucket, prefix: key, versions: versionId !== undefined }, null)) {
    if (row.key !== key) break;
    if (row.versionId === versionId) return true;
  }
  return false;
}

async function* listed(source: ListSource, scope: BucketScope, after: Cursor | null): AsyncGenerator<BucketRow> {
  const { bucket, prefix } = scope;
  if (!scope.versions) {
    const rows = listObjects(source, { bucket, prefix, ...(after === null ? {} : { startAfter: after.key }) });
    for await (const { key, size, lastModified } of rows) {
      yield { key, versionId: undefined, isLatest: true, isDeleteMarker: false, size, lastModified };
    }
    return;
  }
  if (after !== null) yield* restOfKey(source, bucket, after);
  yield* listVersions(source, { bucket, prefix, ...(after === null ? {} : { keyMarker: after.key }) });
}

/**
 * The versions of one key behind one of them. The store is not asked to begin at that version: it may be gone, and stores differ in
 * what they answer then. When it is gone, all versions of the key are given.
 */
async function* restOfKey(source: ListSource, bucket: string, after: Cursor): AsyncGenerator<BucketRow> {
  const { key } = after;
  let before: BucketRow[] | undefined = [];
  for await (const row of listVersions(source, { bucket, prefix: key })) {
    if (row.key !== key) break;
    if (before === undefined) yield row;
    else if (row.versionId === after.versionId) before = undefined;
    else before.push(row);
  }
  yield* before ?? [];
}
