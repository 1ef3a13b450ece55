/**
 * Protects multipart uploads on the embedded store: as it is, behind a wrapper that enforces what stricter stores do, and
 * behind one that wants parts of one size, as R2 does.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Bench, openBench, temporaryStore } from '../../helpers/bench.ts';
import { type StrictBackend, strictBackend } from '../../helpers/strict-backend.ts';
import { multipartSuite } from './suite.ts';

describe('on the embedded store', () => {
  let bench: Bench;
  beforeAll(async () => {
    bench = await openBench();
  });
  afterAll(() => bench.close());
  multipartSuite(() => bench);
});

describe('on a store of equal parts that is strict', () => {
  let bench: Bench;
  let strict: StrictBackend;
  beforeAll(async () => {
    const store = await temporaryStore();
    strict = strictBackend(store.backend, { equalParts: true });
    bench = await openBench({ store: { ...store, backend: strict } });
  });
  afterAll(async () => {
    await bench.close();
    expect(strict.violations).toEqual([]);
    expect(strict.overMinioMetadata).toEqual([]);
  });

  it('is found to want them', () => {
    expect(bench.capabilities.equalParts).toBe(true);
  });
  multipartSuite(() => bench, { equalParts: true });
});
