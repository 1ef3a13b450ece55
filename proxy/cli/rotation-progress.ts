/** How far a pass of a deep rotation is. */
import type { PassResult } from '../rotation/rewrap-pass.ts';
import { ProgressLine, type ProgressOptions } from './progress-line.ts';

export function rotationProgress(o: ProgressOptions): ProgressLine<PassResult> {
  return new ProgressLine({
    ...o,
    text: ({ seen, rewrapped }, { of, left, perSecond }) =>
      `${seen}${of} looked at, ${rewrapped} re-wrapped, ${perSecond.toFixed(0)}/s${left}`,
  });
}
