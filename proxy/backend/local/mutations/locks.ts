/** Retention and legal hold of stored versions. S3: PutObjectRetention, PutObjectLegalHold. */
import { requireObjectLock } from '../bucket-settings.ts';
import { checkRetentionChange, type Lock, type Override, parseLock, type Retention, renderLock } from '../locks.ts';
import type { Transaction } from '../transaction.ts';
import { existingVersion, type Versioned, versioned } from './objects.ts';

interface VersionName {
  readonly bucket: string;
  readonly key: string;
  readonly versionId?: string | undefined;
}

/** @throws S3Error NoSuchBucket, NoSuchKey, NoSuchVersion, MethodNotAllowed, InvalidRequest; AccessDenied for what weakens a lock in force */
export function setRetention(
  tx: Transaction,
  o: VersionName & { readonly retention: Retention | undefined; readonly override: Override },
): Versioned {
  return change(tx, o, (lock) => {
    checkRetentionChange(lock, o.retention, o.override);
    const { retention: _, ...rest } = lock;
    return o.retention === undefined ? rest : { ...rest, retention: o.retention };
  });
}

/** @throws S3Error NoSuchBucket, NoSuchKey, NoSuchVersion, MethodNotAllowed, InvalidRequest */
export function setLegalHold(tx: Transaction, o: VersionName & { readonly hold: boolean }): Versioned {
  return change(tx, o, (lock) => ({ ...lock, hold: o.hold }));
}

function change(tx: Transaction, o: VersionName, next: (lock: Lock) => Lock): Versioned {
  const bucket = tx.bucket(o.bucket);
  requireObjectLock(bucket);
  const row = existingVersion(tx, bucket, Buffer.from(o.key), o.versionId);
  tx.run('UPDATE versions SET lock = ? WHERE id = ?', renderLock(next(parseLock(row.lock))), row.id);
  return versioned(bucket, row.version);
}
