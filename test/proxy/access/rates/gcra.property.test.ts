/**
 * Protects: GCRA takes exactly the requests that a plain model takes, which keeps all requests taken and counts them in every window of
 * time; each key for itself; and a map that is full forgets the key that was quiet for longest.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { addressGroup } from '../../../../proxy/access/rates/address-group.ts';
import { Gcra } from '../../../../proxy/access/rates/gcra.ts';

/** In any window that begins with a request taken, of `t` ms, there are at most `burst` and one more for each whole interval. */
class Model {
  readonly #taken: number[] = [];
  readonly #intervalMs: number;
  readonly #burst: number;

  constructor(o: { intervalMs: number; burst: number }) {
    this.#intervalMs = o.intervalMs;
    this.#burst = o.burst;
  }

  take(at: number): boolean {
    const fits = this.#taken.every((from, i) => {
      const inWindow = this.#taken.length - i + 1;
      return inWindow <= this.#burst + Math.floor((at - from) / this.#intervalMs);
    });
    if (fits) this.#taken.push(at);
    return fits;
  }
}

const intervals = fc.constantFrom(1, 2, 5, 10, 40, 1000);

test('takes what a model that remembers every request takes', () => {
  const steps = fc.array(fc.record({ key: fc.constantFrom('a', 'b'), afterMs: fc.integer({ min: 0, max: 15 }) }), {
    minLength: 30,
    maxLength: 150,
  });
  let [taken, refused] = [0, 0];
  fc.assert(
    fc.property(intervals, fc.integer({ min: 1, max: 8 }), steps, (intervalMs, burst, requests) => {
      let now = 1_000_000;
      const gcra = new Gcra({ perSecond: 1000 / intervalMs, burst }, { now: () => now });
      const models = { a: new Model({ intervalMs, burst }), b: new Model({ intervalMs, burst }) };
      for (const { key, afterMs } of requests) {
        now += afterMs;
        const isTaken = gcra.take(key) === 0;
        if (isTaken) taken += 1;
        else refused += 1;
        expect(isTaken).toBe(models[key as 'a' | 'b'].take(now));
      }
    }),
    { numRuns: 400 },
  );
  expect(taken).toBeGreaterThan(1000);
  expect(refused).toBeGreaterThan(1000);
});

test('says how long to wait: no sooner is a request taken, and then one is', () => {
  fc.assert(
    fc.property(
      intervals,
      fc.integer({ min: 1, max: 20 }),
      fc.integer({ min: 0, max: 50 }),
      (intervalMs, burst, more) => {
        let now = 0;
        const gcra = new Gcra({ perSecond: 1000 / intervalMs, burst }, { now: () => now });
        for (let i = 0; i < burst; i++) expect(gcra.take('a')).toBe(0);
        for (let i = 0; i < more; i++) expect(gcra.take('a')).toBeCloseTo(intervalMs, 6);
        now += intervalMs - 0.01;
        expect(gcra.take('a')).toBeGreaterThan(0);
        now += 0.01;
        expect([gcra.take('a'), gcra.take('a') > 0]).toEqual([0, true]);
      },
    ),
  );
});

test('a rate that is no whole number of milliseconds holds over a million requests', () => {
  let now = 0;
  const gcra = new Gcra({ perSecond: 30_000, burst: 3 }, { now: () => now });
  let taken = 0;
  for (; now < 10_000; now += 0.005) if (gcra.take('a') === 0) taken += 1;
  expect(taken).toBeGreaterThan(299_000);
  expect(taken).toBeLessThanOrEqual(300_003);
});

test('a full map forgets the key that was asked for longest ago, and no other', () => {
  const gcra = new Gcra({ perSecond: 0.001, burst: 1 }, { now: () => 0, keys: 3 });
  for (const key of ['a', 'b', 'c']) expect(gcra.take(key)).toBe(0);
  // A refusal is a request too: who goes on asking is not forgotten.
  expect(gcra.take('a')).toBeGreaterThan(0);
  expect(gcra.take('d')).toBe(0);
  expect(gcra.size).toBe(3);
  expect(['a', 'c', 'd'].map((key) => gcra.take(key) > 0)).toEqual([true, true, true]);
  expect(gcra.take('b')).toBe(0);
});

describe('an address', () => {
  test.each([
    ['192.0.2.1', '192.0.2.1'],
    ['2001:db8:1:2::1', '2001:db8:1:2'],
    ['2001:db8:1:2:ffff:ffff:ffff:ffff', '2001:db8:1:2'],
    ['2001:db8::1', '2001:db8:0:0'],
    ['::1', '0:0:0:0'],
    ['fe80::', 'fe80:0:0:0'],
    ['1:2:3:4:5:6:7:8', '1:2:3:4'],
  ])('%s counts as %s', (address, group) => expect(addressGroup(address)).toBe(group));
});
