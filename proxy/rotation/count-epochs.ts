/** How many of a tenant's objects each epoch wraps: metadata only, so that no key is needed. */
import { FormatError } from '../../crypto/errors.ts';
import { eachBounded } from '../concurrency/map-bounded.ts';
import { REWRAPS_AT_ONCE } from '../limits.ts';
import { MalformedSealedObject } from '../object/stored-metadata.ts';
import { storedEpoch } from './stored-epoch.ts';
import { headRow, type RowSource, storedRows } from './stored-rows.ts';

export interface EpochCounts {
  /** By epoch: objects as a GET gives them, and older versions kept beside them. */
  readonly epochs: Readonly<Record<number, { current: number; noncurrent: number }>>;
  /** Objects of other tenants. */
  readonly foreign: number;
  /** Unencrypted objects, as far as they are long enough to have been looked at. */
  readonly legacy: number;
  /** Objects with metadata that are neither sealed nor legacy. */
  readonly malformed: number;
}

/** @throws S3Error, BackendUnavailable */
export async function countEpochs(o: RowSource, tenant: string): Promise<EpochCounts> {
  const epochs: Record<number, { current: number; noncurrent: number }> = {};
  const others = { foreign: 0, legacy: 0, malformed: 0 };
  await eachBounded(storedRows(o), REWRAPS_AT_ONCE, async (row) => {
    const headers = await headRow(o, row);
    const stored = headers === undefined ? undefined : understood(headers);
    if (stored === undefined) return;
    if (stored === 'malformed' || stored.kind === 'legacy') others[stored === 'malformed' ? stored : stored.kind] += 1;
    else if (stored.tenant !== tenant) others.foreign += 1;
    else {
      const counted = epochs[stored.epoch] ?? { current: 0, noncurrent: 0 };
      counted[row.isLatest ? 'current' : 'noncurrent'] += 1;
      epochs[stored.epoch] = counted;
    }
  });
  return { epochs, ...others };
}

function understood(headers: Parameters<typeof storedEpoch>[0]): ReturnType<typeof storedEpoch> | 'malformed' {
  try {
    return storedEpoch(headers);
  } catch (error) {
    if (error instanceof FormatError || error instanceof MalformedSealedObject) return 'malformed';
    throw error;
  }
}
