/** Protects the exit code of `npm run test:twin`: differences that several sequences find at once are all counted. */
import { expect, test } from 'vitest';
import { inLanes } from './lanes.ts';

test('what lanes count at the same time is added up, each item once', async () => {
  const seen: number[] = [];
  const { promise: allAtWork, resolve } = Promise.withResolvers<void>();
  const sum = await inLanes([1, 2, 3, 4, 5], {
    atOnce: 3,
    async work(item) {
      seen.push(item);
      // The first three begin together and end together.
      if (item === 3) resolve();
      await allAtWork;
      return item;
    },
  });
  expect([sum, seen]).toEqual([15, [1, 2, 3, 4, 5]]);
});
