/**
 * The suites of what a client sees, on the embedded store behind a wrapper that enforces what stricter stores do, and that
 * counts what of a client's own reaches the store. As it is, the store has them in on-local.test.ts.
 */
import { afterAll, beforeAll, describe, expect } from 'vitest';
import { type Bench, openBench, temporaryStore } from '../helpers/bench.ts';
import { type StrictBackend, strictBackend } from '../helpers/strict-backend.ts';
import { runSuites } from './suites/all.ts';

describe('on the embedded store, strictly', () => {
  let bench: Bench;
  let strict: StrictBackend;
  beforeAll(async () => {
    const store = await temporaryStore();
    strict = strictBackend(store.backend);
    bench = await openBench({ store: { ...store, backend: strict } });
  });
  afterAll(async () => {
    await bench.close();
    // Nothing of a client's own went to the store in all of the suites.
    expect(strict.violations).toEqual([]);
    expect(strict.overMinioMetadata).toEqual([]);
  });
  runSuites(() => bench);
});
