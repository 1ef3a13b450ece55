// Protects: the verdict of a soak: memory that settles passes, memory that grows on does not.

import { describe, expect, test } from 'vitest';
import { MiB } from '../helpers/bytes.ts';
import { growthOf } from './soak.ts';

const slices = (peak: (slice: number) => number) => Array.from({ length: 20 }, (_, i) => peak(i) * MiB);

describe('memory', () => {
  test('that rises at first and stays is bounded, spikes or not', () => {
    const peaks = slices((i) => Math.min(250, 150 + 20 * i) + (i === 17 ? 400 : 0));
    expect(growthOf(peaks)).toEqual({ early: 250 * MiB, late: 250 * MiB, isBounded: true });
  });

  test('that grows without end is not', () => {
    expect(growthOf(slices((i) => 200 + 5 * i))).toMatchObject({ isBounded: false });
  });

  test('is compared by a tenth and 16 MiB', () => {
    const step = (late: number) => growthOf(slices((i) => (i < 10 ? 200 : late))).isBounded;
    expect(step(236)).toBe(true);
    expect(step(237)).toBe(false);
  });
});
