/** Whose object it is and which epoch wraps it: both stand in clear in its metadata, so no key is needed to count them. */
import { parseHeader } from '../../crypto/header-fields.ts';
import { type BackendHeaders, fromBackendHeaders, type StoredHeader } from '../object/stored-metadata.ts';

export type StoredEpoch =
  | { readonly kind: 'legacy' }
  | { readonly kind: 'sealed'; readonly tenant: string; readonly epoch: number; readonly header: StoredHeader };

/** @throws MalformedSealedObject, FormatError for metadata that are neither */
export function storedEpoch(headers: BackendHeaders): StoredEpoch {
  const header = fromBackendHeaders(headers);
  if (header === undefined) return { kind: 'legacy' };
  const { tenant, terms } = parseHeader(header);
  return { kind: 'sealed', tenant: tenant.toString('hex'), epoch: terms.epoch, header };
}
