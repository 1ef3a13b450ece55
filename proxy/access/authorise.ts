/**
 * The one place that decides whether a tenant may do what it asks, from the grants of its verified keyring and the decoded
 * bucket and key. It runs for every operation, before any body is read or any 100 Continue is sent.
 */
import { S3Error } from '../errors.ts';
import type { Grant } from '../keyring/grants.ts';
import type { Access, Operation } from '../operation.ts';

export interface Target {
  readonly bucket: string | undefined;
  readonly key: string | undefined;
  /** The `prefix` of a listing. */
  readonly prefix: string | undefined;
}

/** @throws S3Error AccessDenied */
export function authorise(o: {
  operation: Operation;
  grants: readonly Grant[];
  target: Target;
  stateBucket: string;
}): void {
  const { access } = o.operation;
  if (access === 'service') return;
  if (o.target.bucket === undefined || isSame(o.target.bucket, o.stateBucket)) throw new S3Error('AccessDenied');
  const allowed = o.grants.some((grant) => covers(grant, access, o.target));
  if (!allowed) throw new S3Error('AccessDenied');
}

/** Whether a bucket shows in the caller's ListBuckets. */
export function seesBucket(grants: readonly Grant[], bucket: string, stateBucket: string): boolean {
  return !isSame(bucket, stateBucket) && grants.some((grant) => grant.bucket === '*' || grant.bucket === bucket);
}

/** Whether the caller may read or write one key: for operations whose body or headers name further objects. */
export function mayAccess(
  grants: readonly Grant[],
  access: 'read' | 'write',
  target: { bucket: string; key: string },
  stateBucket: string,
): boolean {
  if (isSame(target.bucket, stateBucket)) return false;
  return grants.some((grant) => covers(grant, access, { ...target, prefix: undefined }));
}

/** Whether the caller has the whole bucket: for what goes beyond single objects, such as overriding a lock. */
export function mayConfigure(grants: readonly Grant[], bucket: string, stateBucket: string): boolean {
  if (isSame(bucket, stateBucket)) return false;
  return grants.some((grant) => covers(grant, 'bucket-write', { bucket, key: undefined, prefix: undefined }));
}

/** Some backends do not tell upper from lower case in bucket names. */
function isSame(bucket: string, stateBucket: string): boolean {
  return bucket.toLowerCase() === stateBucket.toLowerCase();
}

function covers(grant: Grant, access: Access, target: Target): boolean {
  if (grant.bucket !== '*' && grant.bucket !== target.bucket) return false;
  switch (access) {
    case 'service':
    case 'bucket-read':
    case 'each':
      return true;
    case 'bucket-write':
      return grant.access === 'read-write' && grant.prefix === '';
    case 'list':
      return (target.prefix ?? '').startsWith(grant.prefix);
    case 'read':
      return (target.key ?? '').startsWith(grant.prefix);
    case 'write':
      return grant.access === 'read-write' && (target.key ?? '').startsWith(grant.prefix);
  }
}
