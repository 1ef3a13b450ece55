/**
 * Opened upload records, so that a part costs no look-up. The key names the tenant: another tenant's hit would evade the check
 * of whose upload it is.
 */
import { LRUCache } from 'lru-cache';
import { UPLOAD_RECORDS_CACHED } from '../limits.ts';
import type { UploadRecord } from './upload.ts';

/** Opened records of this process. A record never changes, so only its absence has to be looked up again. */
export class UploadCache {
  readonly #records = new LRUCache<string, UploadRecord>({ max: UPLOAD_RECORDS_CACHED });

  get(tenant: string, id: string): UploadRecord | undefined {
    return this.#records.get(`${tenant}/${id}`);
  }

  set(tenant: string, record: UploadRecord): void {
    this.#records.set(`${tenant}/${record.id}`, record);
  }

  delete(tenant: string, id: string): void {
    this.#records.delete(`${tenant}/${id}`);
  }
}
