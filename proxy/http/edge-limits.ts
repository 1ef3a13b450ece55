/** The time limits for clients, as one value: the constants of limits.ts, or shorter ones in a test. */
import {
  BODY_PROGRESS_BYTES,
  BODY_PROGRESS_WINDOW_MS,
  REPLY_PROGRESS_BYTES,
  REPLY_PROGRESS_SCARCE_MS,
  REPLY_PROGRESS_WINDOW_MS,
} from '../limits.ts';
import type { ConnectionLimits } from './connections.ts';
import { LeastRate } from './least-rate.ts';

export interface EdgeLimits extends ConnectionLimits {
  /** LONGEST_WRITE_SECONDS when absent. */
  readonly longestWriteMs?: number;
  readonly bodyWindowMs?: number;
  readonly replyWindowMs?: number;
  readonly scarceMs?: number;
}

export interface LeastRates {
  readonly bodies: LeastRate;
  readonly replies: LeastRate;
}

/** `isScarce`: whether requests wait for memory. Readers that have stopped may be holding it. */
export function leastRates(o: EdgeLimits, isScarce: () => boolean): LeastRates {
  const checkMs = o.checkMs === undefined ? {} : { checkMs: o.checkMs };
  const { bodyWindowMs = BODY_PROGRESS_WINDOW_MS, replyWindowMs = REPLY_PROGRESS_WINDOW_MS } = o;
  const { scarceMs = REPLY_PROGRESS_SCARCE_MS } = o;
  return {
    bodies: new LeastRate({ bytes: BODY_PROGRESS_BYTES, windowMs: () => bodyWindowMs, ...checkMs }),
    replies: new LeastRate({
      bytes: REPLY_PROGRESS_BYTES,
      windowMs: () => (isScarce() ? scarceMs : replyWindowMs),
      ...checkMs,
    }),
  };
}
