// Protects: how samples become the published figures: medians over rounds, costs for each GiB and each 1,000 operations.

import { describe, expect, test } from 'vitest';
import { GiB } from '../../helpers/bytes.ts';
import { resultOf, type Sample } from './result.ts';

const sample = (o: Partial<Sample> = {}): Sample => ({
  operations: 100,
  errors: [],
  bytes: GiB,
  seconds: 2,
  p50: 10,
  p99: 30,
  cpuSeconds: 3,
  clientCpuSeconds: 0.5,
  backendCpuSeconds: 0.25,
  others: 0.1,
  peakMemory: 100,
  memory: 90,
  backendRequests: { GetObject: 150, HeadObject: 50 },
  ...o,
});

describe('a result', () => {
  test('divides each round by its own bytes, operations and time, and takes medians of that', () => {
    const result = resultOf('load', 'target', [
      sample(),
      sample({ bytes: 2 * GiB, cpuSeconds: 8, seconds: 1, operations: 400, peakMemory: 300 }),
      sample({ bytes: GiB / 2, cpuSeconds: 1, seconds: 4, operations: 50 }),
    ]);
    expect(result).toMatchObject({
      rounds: 3,
      operations: 550,
      mibPerSecond: 512,
      operationsPerSecond: 50,
      cpuSecondsPerGiB: 3,
      cpuSecondsPer1000: 20,
      backendRequestsPerOperation: 2,
      clientCpuMs: 5,
      p50: 10,
      p99: 30,
    });
    // The peak is the highest, not the middle one.
    expect(result.peakMemory).toBe(300);
  });

  test('has no cost where none was measured, or nothing moved', () => {
    const unknown = resultOf('load', 'target', [
      sample({ cpuSeconds: undefined, peakMemory: undefined, backendRequests: undefined }),
    ]);
    expect(unknown).toMatchObject({
      cpuSecondsPerGiB: undefined,
      cpuSecondsPer1000: undefined,
      peakMemory: undefined,
      backendRequestsPerOperation: undefined,
    });
    expect(resultOf('load', 'target', [sample({ bytes: 0 })]).cpuSecondsPerGiB).toBeUndefined();
  });

  test('leaves out rounds without a success, and keeps their errors', () => {
    const failed = sample({ operations: 0, bytes: 0, errors: ['status 503'], p50: undefined, p99: undefined });
    const result = resultOf('load', 'target', [failed, sample({ seconds: 1 })]);
    expect(result.mibPerSecond).toBe(1024);
    expect(result.errors).toEqual(['status 503']);
    const nothing = resultOf('load', 'target', [failed]);
    expect(nothing.mibPerSecond).toBe(0);
    expect(nothing.p50).toBeNaN();
  });
});
