/**
 * A deep rotation makes a new epoch, and other servers write under it at once, while a keyring may be believed for its TTL. So
 * an object of a newer epoch than the caller's keyring has makes the keyring be read again, once. When even that does not know
 * the epoch, the keyring was put back to an older one: the object is refused, and that is a security event (crypto/FORMAT.md,
 * section 4.4).
 */
import { FormatError } from '../../crypto/errors.ts';
import { type HeaderFields, parseHeader } from '../../crypto/header-fields.ts';
import { S3Error } from '../errors.ts';
import type { OpenTenant } from '../keyring/open-tenant.ts';
import { reportObject, type StoreContext } from './context.ts';

/** The caller's tenant with the root key that `header` needs, if there is one. @throws FormatError HEADER_MALFORMED, S3Error */
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
  reportObject(context, {
    kind: 'keyring-rollback',
    detail: `An object of epoch ${epoch} is newer than the keyring, whose newest epoch is ${newer.epoch}.`,
    bucket: address.bucket,
    key: address.key,
  });
  throw new S3Error('InternalError', 'The object is newer than the keys that are known of its tenant.', {
    cause: new FormatError('UNKNOWN_EPOCH'),
  });
}
