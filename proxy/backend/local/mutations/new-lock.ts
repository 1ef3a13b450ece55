/** The lock of a version that a write makes: what its headers ask for, else the bucket's default. S3: PutObject, CopyObject. */
import { requireObjectLock, settingsOf } from '../bucket-settings.ts';
import { type Lock, lockOfNew, renderLock } from '../locks.ts';
import type { BucketRow } from '../rows.ts';

/** For a new version's row. @throws S3Error InvalidRequest for a lock in a bucket without locks */
export function lockForNew(bucket: BucketRow, asked: Lock, now: number): string {
  if (renderLock(asked) !== '') requireObjectLock(bucket);
  return renderLock(lockOfNew(asked, settingsOf(bucket).objectLock?.retention, now));
}

/** The lock of an upload that begins. The default retention counts from the end of the upload. @throws S3Error as `lockForNew` */
export function lockForUpload(bucket: BucketRow, asked: Lock): string {
  if (renderLock(asked) !== '') requireObjectLock(bucket);
  return renderLock(asked);
}
