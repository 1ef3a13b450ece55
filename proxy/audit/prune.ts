/**
 * Removes segments that are older than they are to be kept. A batch says so first, under its signature, and the hashes stay in the
 * batches: the log verifies as before.
 */
import { S3Error } from '../errors.ts';
import type { StateStore } from '../keyring/state/state.ts';
import { minuteOf, SEGMENT_NAMES } from './format/segment.ts';
import type { Sequencer } from './sequencer.ts';

const DAY_MS = 86_400_000;

/** Of whole days, so that a batch says so once a day. */
export function pruneLimit(now: Date, retentionDays: number): string {
  return minuteOf(new Date(DAY_MS * (Math.floor(now.getTime() / DAY_MS) - retentionDays)));
}

/**
 * @returns how many segments went, and how many the store keeps all the same, as under an object lock
 * @throws S3Error ServiceUnavailable
 */
export async function pruneSegments(
  store: StateStore,
  o: { readonly before: string; readonly sequencer: Sequencer; readonly beforeRemoval: () => Promise<void> },
  signal: AbortSignal,
): Promise<{ removed: number; kept: number }> {
  const done = { removed: 0, kept: 0 };
  const limit = SEGMENT_NAMES + o.before;
  for await (const name of store.list(SEGMENT_NAMES, signal)) {
    if (name >= limit) break;
    if (done.removed + done.kept === 0) {
      await o.beforeRemoval();
      await o.sequencer.run(signal, { prunedBefore: o.before });
    }
    try {
      await store.shred(name, signal);
      done.removed += 1;
    } catch (error) {
      if (!(error instanceof S3Error)) throw error;
      signal.throwIfAborted();
      done.kept += 1;
    }
  }
  return done;
}
