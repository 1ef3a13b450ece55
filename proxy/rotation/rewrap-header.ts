/**
 * The header of a stored object under the current epoch: the DEK wrapped again, the attributes that stand in it sealed again
 * with fresh salts (crypto/FORMAT.md, section 9.1). Parts and footer are bound to the DEK and the binding, which stay, so nothing
 * of the body has to be read.
 */
import { type ObjectName, openHeader, type SealedHeader, sealHeader } from '../../crypto/header.ts';
import type { HeaderFields } from '../../crypto/header-fields.ts';
import type { OpenTenant } from '../keyring/open-tenant.ts';

/** @throws FormatError when the header does not open for that name, tenant and epoch */
export function rewrapHeader(
  tenant: OpenTenant,
  o: { name: Omit<ObjectName, 'tenant'>; header: HeaderFields },
): SealedHeader {
  const name = { ...o.name, tenant: tenant.idBytes };
  const { dek, binding, layout, early, late } = openHeader({
    root: (epoch) => tenant.root(epoch),
    name,
    header: o.header,
  });
  const root = tenant.root(tenant.epoch);
  if (root === undefined) throw new Error('the root key of the current epoch is missing');
  const attributes = early === undefined ? undefined : { early, ...(late === undefined ? {} : { late }) };
  return sealHeader({ root, epoch: tenant.epoch, name, dek, binding, layout, attributes });
}
