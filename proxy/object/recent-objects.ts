/**
 * What the backend last said of an object, kept for a short time. A ranged read guesses from it which stored bytes it needs.
 * The guess is never believed: read-known.ts compares it with the answer to its own request. Nothing secret is kept.
 */
import { LRUCache } from 'lru-cache';
import { RECENT_OBJECT_TTL_MS, RECENT_OBJECTS_BYTES } from '../limits.ts';
import type { BackendFacts, ObjectAddress } from './stored-object.ts';

/** Beside the name: headers of an answer, sealed attributes among them. */
const ENTRY_BYTES = 3_000;

export class RecentObjects {
  readonly #entries = new LRUCache<string, BackendFacts>({
    maxSize: RECENT_OBJECTS_BYTES,
    sizeCalculation: (_, id) => ENTRY_BYTES + 2 * id.length,
    ttl: RECENT_OBJECT_TTL_MS,
  });

  get(tenant: string, address: ObjectAddress): BackendFacts | undefined {
    return this.#entries.get(identity(tenant, address));
  }

  /** Whether the same version was remembered before. */
  remember(tenant: string, address: ObjectAddress, facts: BackendFacts): boolean {
    const id = identity(tenant, address);
    const before = this.#entries.get(id);
    this.#entries.set(id, facts);
    return before !== undefined && isSameVersion(before, facts);
  }

  forget(tenant: string, address: ObjectAddress): void {
    this.#entries.delete(identity(tenant, address));
  }
}

/** Remembers nothing. */
export const nothingRecent: Pick<RecentObjects, 'get' | 'remember' | 'forget'> = {
  get: () => undefined,
  remember: () => false,
  forget: () => undefined,
};

function isSameVersion(a: BackendFacts, b: BackendFacts): boolean {
  return a.etag === b.etag && a.lastModified === b.lastModified && a.size === b.size && a.versionId === b.versionId;
}

function identity(tenant: string, { bucket, key, versionId }: ObjectAddress): string {
  return [tenant, versionId ?? '', bucket, key].join('\0');
}
