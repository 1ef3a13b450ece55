/**
 * The highest generation seen of each keyring, so that an older one put back while the process runs is noticed
 * (crypto/FORMAT.md, "Keyring and access key ids", rollback). Kept in memory only, and bounded: a restart or the eviction
 * of a tenant forgets.
 */
import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { REMEMBERED_GENERATIONS } from '../limits.ts';

export class Generations {
  readonly #seen = new LRUCache<string, { generation: number; digest: string }>({ max: REMEMBERED_GENERATIONS });

  /**
   * Whether a keyring whose operator MAC was verified may be used: newer than any seen, or the very one seen last. Two
   * documents of one generation are a lost update, and count as a rollback.
   */
  accept(tenant: string, generation: number, body: Buffer): boolean {
    const digest = createHash('sha256').update(body).digest('base64');
    const seen = this.#seen.get(tenant);
    if (seen !== undefined && generation < seen.generation) return false;
    if (seen !== undefined && generation === seen.generation) return digest === seen.digest;
    this.#seen.set(tenant, { generation, digest });
    return true;
  }
}
