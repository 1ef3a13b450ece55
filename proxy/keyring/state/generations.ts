/**
 * Remembers the highest generation seen of each keyring, so that an older keyring that is put back while the process runs is
 * noticed (crypto/FORMAT.md, "Keyring and access key ids", reading a keyring). The memory is bounded and in this process only: a
 * restart, or enough other tenants, makes it forget.
 */
import { createHash } from 'node:crypto';
import { REMEMBERED_GENERATIONS } from '../../limits.ts';

export class Generations {
  /** Longest unused first. */
  readonly #seen = new Map<string, { readonly generation: number; readonly digest: string }>();
  readonly #max: number;

  constructor(o: { max?: number } = {}) {
    this.#max = o.max ?? REMEMBERED_GENERATIONS;
  }

  /** Whether a document of that name was accepted before. */
  hasSeen(tenant: string): boolean {
    return this.#seen.has(tenant);
  }

  /**
   * Whether a keyring whose operator MAC was verified may be used: newer than any seen, or the very one seen last. Two
   * documents of one generation are a lost update, and count as a rollback.
   */
  accept(tenant: string, generation: number, body: Buffer): boolean {
    const digest = createHash('sha256').update(body).digest('base64');
    const seen = this.#seen.get(tenant);
    const isAccepted =
      seen === undefined || generation > seen.generation || (generation === seen.generation && digest === seen.digest);
    this.#seen.delete(tenant);
    this.#seen.set(tenant, isAccepted ? { generation, digest } : seen);
    const [oldest] = this.#seen.size > this.#max ? this.#seen.keys() : [];
    if (oldest !== undefined) this.#seen.delete(oldest);
    return isAccepted;
  }
}
