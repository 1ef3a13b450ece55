/** Configurations of buckets that are kept in one column, and the lock configuration among them. */
import { S3Error } from '../../../errors.ts';
import { type BucketSettings, settingsOf } from '../bucket-settings.ts';
import type { DefaultRetention } from '../locks.ts';
import type { BucketRow } from '../rows.ts';
import type { Transaction } from '../transaction.ts';

type ChangedSettings = {
  readonly [Name in keyof Omit<BucketSettings, 'objectLock'>]?: BucketSettings[Name] | undefined;
};

/** `undefined` takes the configuration away. @throws S3Error NoSuchBucket */
export function setBucketSettings(
  tx: Transaction,
  o: { readonly bucket: string; readonly settings: ChangedSettings },
): void {
  const bucket = tx.bucket(o.bucket);
  write(tx, bucket, { ...settingsOf(bucket), ...o.settings } as BucketSettings);
}

/** @throws S3Error NoSuchBucket; InvalidBucketState where versioning is not enabled */
export function setObjectLock(
  tx: Transaction,
  o: { readonly bucket: string; readonly retention: DefaultRetention | undefined },
): void {
  const bucket = tx.bucket(o.bucket);
  if (bucket.versioning !== 'Enabled') {
    throw new S3Error(
      'InvalidBucketState',
      "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration",
    );
  }
  const objectLock = o.retention === undefined ? {} : { retention: o.retention };
  write(tx, bucket, { ...settingsOf(bucket), objectLock });
}

function write(tx: Transaction, bucket: BucketRow, settings: BucketSettings): void {
  tx.run('UPDATE buckets SET settings = ? WHERE id = ?', JSON.stringify(settings), bucket.id);
}
