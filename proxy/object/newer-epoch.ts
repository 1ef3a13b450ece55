/**
 * Objects of an epoch that the caller's keyring does not know. A deep rotation begins a new epoch, and other servers write
 * under the new root key at once, while this server may believe a cached keyring until its TTL ends. So the keyring is read
 * again, once. If the fresh keyring does not know the epoch either, somebody put the keyring back to an older one: the object
 * is refused, with a security event (crypto/FORMAT.md, section 4.4).
 */
import { FormatError } from '../../crypto/errors.ts';
import { type HeaderFields, parseHeader } from '../../crypto/header-fields.ts';
import { S3Error } from '../errors.ts';
import type { OpenTenant } from '../keyring/open-tenant.ts';
import { reportObject, type StoreContext } from './context.ts';

/** The tenant whose keyring knows the epoch of `header`. @throws FormatError HEADER_MALFORMED, S3Error */
export async function tenantFor(
  context: StoreContext,
  address: { bucket: string; key: string },
  header: HeaderFields,
): Promise<OpenTenant> {
  const { tenant } = context;
  const { epoch } = parseHeader(header).terms;
  if (epoch <= tenant.epoch) return tenant;
  const newer = (await tenant.reopen?.(context.signal)) ?? tenant;
  if (epoch <= newer.epoch) return newer;
  await reportObject(context, {
    kind: 'keyring-rollback',
    detail: `An object of epoch ${epoch} is newer than the keyring, whose newest epoch is ${newer.epoch}.`,
    bucket: address.bucket,
    key: address.key,
  });
  throw new S3Error('InternalError', 'The object is newer than the keys that are known of its tenant.', {
    cause: new FormatError('UNKNOWN_EPOCH'),
  });
}
