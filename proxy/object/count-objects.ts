/** How much of what is stored is one tenant's: by the tenant id in the metadata, so that no key is needed. */

import { eachBounded } from '../concurrency/map-bounded.ts';
import { REWRAPS_AT_ONCE } from '../limits.ts';
import { headRow, type RowSource, storedRows } from '../rotation/stored-rows.ts';

export interface CountedObjects {
  /** Versions that a versioned bucket keeps count too. */
  readonly objects: number;
  /** Bytes at the store, of ciphertext. */
  readonly bytes: number;
}

/** One request for each object of every bucket but the state's. @throws S3Error, BackendUnavailable */
export async function countObjects(o: RowSource, tenant: string): Promise<CountedObjects> {
  const counted = { objects: 0, bytes: 0 };
  await eachBounded(storedRows(o), REWRAPS_AT_ONCE, async (row) => {
    const headers = await headRow(o, row);
    if (headers?.['x-amz-meta-enc-tenant'] !== tenant) return;
    counted.objects += 1;
    counted.bytes += Number(headers['content-length'] ?? 0);
  });
  return counted;
}
