/**
 * Pages of listings as clients got them. A page is made again from the same page of the store only when something in that
 * changed: the store's bytes hold name, ETag, time and size of every version, and what a listing shows of a version never
 * changes (attributes-cache.ts). So equal bytes, asked for by the same tenant with the same parameters, have one answer.
 */
import type { Hash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Call } from '../operation.ts';
import { bucketOf } from '../operation.ts';

/** Names of query parameters that decide what a page looks like. */
export type PageParameters = readonly string[];

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

/** `page`: a hash of what the store sent. Tenant, bucket and parameters are joined in a form that only they have. */
export function pageId(call: Call, parameters: PageParameters, page: Hash): string {
  const { query } = call.request;
  const asked = parameters.map((name) => query.get(name) ?? null);
  return JSON.stringify([call.tenant.id, bucketOf(call), asked, page.digest('base64')]);
}

const ENTRY_BYTES = 300;
