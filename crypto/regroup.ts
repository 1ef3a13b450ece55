/**
 * Regroups a stream of chunks of any size into batches of a fixed size, the last of which is released only after the
 * source has ended: the hold-back on which sealing and opening both rest (FORMAT.md section 6.4).
 */
import { Buffer } from 'node:buffer';

export interface Batch {
  /** Valid until the next batch is asked for: the memory is used again. */
  readonly bytes: Buffer;
  readonly isLast: boolean;
}

/**
 * Yields batches of `batchBytes`, then one last batch of 1 to `batchBytes` bytes (0 when `totalBytes` is 0). Chunks that
 * hold a whole batch are passed on without a copy.
 * @throws `mismatch()` when the source has fewer or more than `totalBytes`; before the last batch is released.
 */
export async function* regroup(o: {
  readonly source: AsyncIterable<Buffer>;
  readonly totalBytes: number;
  readonly batchBytes: number;
  readonly mismatch: () => Error;
}): AsyncGenerator<Batch> {
  // Not made before it is needed: a source may bring whole batches.
  let batch: Buffer | undefined;
  let filled = 0;
  let ahead = Math.max(0, Math.ceil(o.totalBytes / o.batchBytes) - 1) * o.batchBytes;
  const lastBytes = o.totalBytes - ahead;
  for await (const chunk of o.source) {
    let at = 0;
    while (at < chunk.length) {
      if (ahead > 0 && filled === 0 && chunk.length - at >= o.batchBytes) {
        yield { bytes: chunk.subarray(at, at + o.batchBytes), isLast: false };
        ahead -= o.batchBytes;
        at += o.batchBytes;
        continue;
      }
      const room = (ahead > 0 ? o.batchBytes : lastBytes) - filled;
      if (room === 0) throw o.mismatch();
      const taken = Math.min(room, chunk.length - at);
      batch ??= Buffer.allocUnsafe(Math.min(o.batchBytes, o.totalBytes));
      chunk.copy(batch, filled, at, at + taken);
      at += taken;
      filled += taken;
      if (ahead > 0 && filled === o.batchBytes) {
        yield { bytes: batch, isLast: false };
        ahead -= o.batchBytes;
        filled = 0;
      }
    }
  }
  if (ahead > 0 || filled !== lastBytes) throw o.mismatch();
  yield { bytes: (batch ?? Buffer.alloc(0)).subarray(0, lastBytes), isLast: true };
}
