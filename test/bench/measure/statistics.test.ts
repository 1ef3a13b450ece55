// Protects: the arithmetic of the benchmark's figures. A wrong median or percentile would make every published number wrong.
import { describe, expect, test } from 'vitest';
import { median, percentile } from './statistics.ts';

describe('median', () => {
  test.each([
    [[], undefined],
    [[7], 7],
    [[3, 1], 2],
    [[9, 1, 5], 5],
    [[10, 2, 4, 100], 7],
  ])('of %j is %j', (values, expected) => {
    expect(median(values)).toBe(expected);
  });

  test('leaves its values in their order', () => {
    const values = [3, 1, 2];
    median(values);
    expect(values).toEqual([3, 1, 2]);
  });
});

describe('percentile', () => {
  const hundred = Array.from({ length: 100 }, (_, i) => 100 - i);

  test.each([
    [50, 50],
    [99, 99],
    [100, 100],
    [0, 1],
  ])('%i of 1 to 100 is %i', (percent, expected) => {
    expect(percentile(hundred, percent)).toBe(expected);
  });

  test('of nothing is nothing, of one value that value', () => {
    expect(percentile([], 99)).toBeUndefined();
    expect(percentile([4], 50)).toBe(4);
    expect(percentile([4], 99)).toBe(4);
  });

  test('is a value that was measured: never below the share asked for', () => {
    expect(percentile([1, 2, 3], 50)).toBe(2);
    expect(percentile([1, 2, 3, 4], 51)).toBe(3);
    expect(percentile([1, 2, 3, 4, 5, 6, 7, 8, 9, 10], 99)).toBe(10);
  });

  test('sorts numbers as numbers', () => {
    expect(percentile([9, 10, 100], 100)).toBe(100);
  });
});
