/** All versions of one key in one row: what has to be replayed as a whole, oldest first. */
import type { ListSource } from '../backend/list-all.ts';
import { type BucketRow, type BucketScope, bucketRows } from '../jobs/bucket-rows.ts';
import type { Cursor } from '../jobs/job-record.ts';

export interface KeyVersions {
  readonly key: string;
  /** Oldest first; one without an id where the bucket keeps no versions. */
  readonly versions: readonly BucketRow[];
}

/** Of a bucket's listing behind `after`, the last version of a key that was done. @throws S3Error, BackendUnavailable */
export async function* keyVersions(
  source: ListSource,
  scope: BucketScope,
  after: Cursor | null,
): AsyncGenerator<KeyVersions> {
  let rows: BucketRow[] = [];
  for await (const row of bucketRows(source, scope, after)) {
    if (rows[0] !== undefined && rows[0].key !== row.key) {
      yield keyOf(rows);
      rows = [];
    }
    rows.push(row);
  }
  if (rows.length > 0) yield keyOf(rows);
}

/** The row of one key; undefined when it has no version. */
export async function versionsOfKey(
  source: ListSource,
  o: { bucket: string; key: string; versions: boolean },
): Promise<KeyVersions | undefined> {
  const rows: BucketRow[] = [];
  for await (const row of bucketRows(source, { bucket: o.bucket, prefix: o.key, versions: o.versions }, null)) {
    if (row.key !== o.key) break;
    rows.push(row);
  }
  return rows.length === 0 ? undefined : keyOf(rows);
}

export function cursorOfKey({ key, versions }: KeyVersions): Cursor {
  return { key, versionId: versions[0]?.versionId ?? null };
}

/** Newest first, as listings have them. */
function keyOf(rows: readonly BucketRow[]): KeyVersions {
  return { key: rows[0]?.key ?? '', versions: rows.toReversed() };
}
