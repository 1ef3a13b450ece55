/**
 * Pages of listings as clients got them. The bytes of a page of the store hold name, ETag, time and size of every version, and
 * what a listing shows of a version never changes (attributes-cache.ts). So equal bytes of the store, asked for by the same
 * tenant with the same parameters, make the same page.
 */
import type { Hash } from 'node:crypto';
import { LRUCache } from 'lru-cache';

export class ListedPages {
  readonly #pages: LRUCache<string, Buffer>;

  constructor(o: { bytes: number }) {
    this.#pages = new LRUCache({ maxSize: o.bytes, sizeCalculation: (page) => page.length + ENTRY_BYTES });
  }

  get(id: string): Buffer | undefined {
    return this.#pages.get(id);
  }

  add(id: string, page: Buffer): void {
    this.#pages.set(id, page);
  }
}

/**
 * A name that only this page has. `asked`: the values of all parameters that decide what a page looks like, in a fixed order.
 * `page`: a hash of what the store sent.
 */
export function pageId(o: { tenant: string; bucket: string; asked: readonly (string | null)[]; page: Hash }): string {
  return JSON.stringify([o.tenant, o.bucket, o.asked, o.page.digest('base64')]);
}

const ENTRY_BYTES = 300;
