/**
 * The suites of what a client sees, on the embedded store. On a strict one they run in on-strict.slow.test.ts, on other stores
 * in on-moto.test.ts.
 */
import { afterAll, beforeAll, describe } from 'vitest';
import { type Bench, openBench } from '../helpers/bench.ts';
import { runSuites } from './suites/all.ts';

describe('on the embedded store', () => {
  let bench: Bench;
  beforeAll(async () => {
    bench = await openBench();
  });
  afterAll(() => bench.close());
  runSuites(() => bench);
});
