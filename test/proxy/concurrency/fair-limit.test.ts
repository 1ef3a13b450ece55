/** Protects: work of all callers together stays below its bound, callers take turns, and a failure gives its place back. */
import { expect, test } from 'vitest';
import { FairLimit } from '../../../proxy/concurrency/fair-limit.ts';

test('a caller with three pieces does not wait for one with a hundred', async () => {
  const limit = new FairLimit({ atOnce: 4 });
  const order: string[] = [];
  let running = 0;
  let most = 0;
  const work = (name: string) => async () => {
    running += 1;
    most = Math.max(most, running);
    order.push(name);
    await new Promise((resolve) => setImmediate(resolve));
    running -= 1;
  };
  const large = limit.lane();
  const small = limit.lane();
  const all = Array.from({ length: 100 }, () => large(work('large')));
  const few = Array.from({ length: 3 }, () => small(work('small')));
  await Promise.all([...all, ...few]);
  expect(most).toBe(4);
  expect(order).toHaveLength(103);
  expect(order.lastIndexOf('small')).toBeLessThan(4 + 2 * 3);
});

test('a piece that fails gives its place back and harms no other', async () => {
  const limit = new FairLimit({ atOnce: 1 });
  const lane = limit.lane();
  const failed = lane(() => Promise.reject(new Error('no')));
  const next = lane(async () => 'yes');
  await expect(failed).rejects.toThrow('no');
  expect(await next).toBe('yes');
  expect(await limit.lane()(async () => 'again')).toBe('again');
});
