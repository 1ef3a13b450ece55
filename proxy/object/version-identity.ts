/** Under which name the caches know a version that was looked at. */
import type { VersionIdentity } from './attributes-cache.ts';
import type { StoreContext } from './context.ts';
import type { BackendFacts, ObjectAddress } from './stored-object.ts';

export function identityOf(context: StoreContext, address: ObjectAddress, facts: BackendFacts): VersionIdentity {
  const { etag, lastModified, size } = facts;
  return { tenant: context.tenant.id, bucket: address.bucket, key: address.key, etag, lastModified, size };
}
