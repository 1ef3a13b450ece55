/**
 * Headers that were opened a moment ago. Opening one is a pure function of the root key, the object's name and the header's
 * own bytes; so the same bytes under the same name and root need not be opened again: a HEAD and the ranged GETs after it, an
 * object that many read. Whatever changes a byte of the header opens anew.
 *
 * An entry holds the object's data key, and no longer than an opened keyring is believed. It counts only for a caller whose
 * keyring still has the very root key that it was opened with.
 */
import type { KeyObject } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { type OpenedHeader, openHeader } from '../../crypto/header.ts';
import type { OpenTenant } from '../keyring/open-tenant.ts';
import { KEYRING_TTL_SECONDS } from '../limits.ts';
import type { StoredHeader } from './stored-metadata.ts';
import type { ObjectAddress } from './stored-object.ts';

interface Entry {
  readonly header: OpenedHeader;
  /** Not kept alive by this cache. */
  readonly root: WeakRef<KeyObject>;
}

/** Beside its name: the opened header, its data key and attributes. */
const ENTRY_BYTES = 3_000;

export class OpenedHeaders {
  readonly #entries: LRUCache<string, Entry>;

  constructor(o: { bytes: number }) {
    this.#entries = new LRUCache({
      maxSize: o.bytes,
      sizeCalculation: (_, name) => ENTRY_BYTES + 2 * name.length,
      ttl: KEYRING_TTL_SECONDS * 1000,
    });
  }

  /** @throws FormatError as `openHeader` */
  open(tenant: OpenTenant, address: ObjectAddress, stored: StoredHeader): OpenedHeader {
    const id = identity(tenant, address, stored);
    const kept = this.#entries.get(id);
    const known = kept?.root.deref();
    if (kept !== undefined && known !== undefined && known === tenant.root(kept.header.epoch)) return kept.header;
    const header = openAnew(tenant, address, stored);
    const root = tenant.root(header.epoch);
    if (root !== undefined) this.#entries.set(id, { header, root: new WeakRef(root) });
    return header;
  }

  /** For tests: how many are kept now. */
  get size(): number {
    return this.#entries.size;
  }
}

/** Opens headers and keeps nothing of them: for who looks at many objects, each of them once. */
export const unkeptHeaders: Pick<OpenedHeaders, 'open'> = { open: openAnew };

function openAnew(tenant: OpenTenant, { bucket, key }: ObjectAddress, stored: StoredHeader): OpenedHeader {
  return openHeader({
    root: (epoch) => tenant.root(epoch),
    name: { tenant: tenant.idBytes, bucket, key },
    header: stored,
  });
}

/** Everything that opening takes but the root; no part of it can hold the separator but the key, which stands last. */
function identity(tenant: OpenTenant, address: ObjectAddress, stored: StoredHeader): string {
  const fields = [stored['enc-algo'], stored['enc-dek'], stored['enc-tenant'], stored['enc-attrs'] ?? '-'];
  return [tenant.id, ...fields, address.bucket, address.key].join('\0');
}
