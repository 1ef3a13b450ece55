// Protects: a job that may read so many bytes a second reads no more, over everything that it does at once.
import { expect, test } from 'vitest';
import { ByteRate } from '../../../proxy/concurrency/byte-rate.ts';

test('what was taken is paid for before more is given', async () => {
  let now = 0;
  const sleep = async (ms: number) => {
    now += ms;
  };
  const rate = new ByteRate({ bytesPerSecond: 1000, now: () => now, sleep });
  const { signal } = new AbortController();
  for (let taken = 0; taken < 50; taken += 1) await rate.take(200, signal);
  // The first piece is free: 49 of 200 bytes at 1,000 bytes a second.
  expect(now).toBeCloseTo(9_800);
  now += 60_000;
  await rate.take(200, signal);
  await rate.take(200, signal);
  // An idle minute is not saved up.
  expect(now).toBeCloseTo(70_000);
});

test('without a limit nobody waits', async () => {
  const waits: number[] = [];
  const sleep = async (ms: number) => void waits.push(ms);
  const rate = new ByteRate({ bytesPerSecond: undefined, sleep });
  for (let taken = 0; taken < 5; taken += 1) await rate.take(2 ** 40, new AbortController().signal);
  expect(waits).toEqual([]);
});
