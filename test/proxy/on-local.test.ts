/**
 * The suites of what a client sees, on the embedded store. On a strict one they run in on-strict.slow.test.ts, on other stores
 * in on-moto.test.ts.
 */
import { describe } from 'vitest';
import { sharedBench } from '../helpers/bench.ts';
import { runSuites } from './suites/all.ts';

describe('on the embedded store', () => {
  const bench = sharedBench();
  runSuites(() => bench);
});
