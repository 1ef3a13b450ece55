/**
 * Headers that were opened a moment ago. Opening a header is a pure function of the root key, the object's name and the bytes
 * of the header, so equal bytes under the same name and root key are opened once: by a HEAD and the ranged GETs that follow, or
 * by many readers of one object. A header of which one byte changed is opened anew.
 *
 * An entry holds the data key of the object, for no longer than an opened keyring is believed. The entry counts only for a caller
 * whose keyring still has the root key that opened the header.
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

/** Opens headers without keeping them: for listings, which look at many objects once. */
export const unkeptHeaders: Pick<OpenedHeaders, 'open'> = { open: openAnew };

function openAnew(tenant: OpenTenant, { bucket, key }: ObjectAddress, stored: StoredHeader): OpenedHeader {
  return openHeader({
    root: (epoch) => tenant.root(epoch),
    name: { tenant: tenant.idBytes, bucket, key },
    header: stored,
  });
}

/** All inputs of opening but the root key. Only the object key may hold the separator, and the object key stands last. */
function identity(tenant: OpenTenant, address: ObjectAddress, stored: StoredHeader): string {
  const fields = [stored['enc-algo'], stored['enc-dek'], stored['enc-tenant'], stored['enc-attrs'] ?? '-'];
  return [tenant.id, ...fields, address.bucket, address.key].join('\0');
}
