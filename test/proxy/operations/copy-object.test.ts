/**
 * Protects copies as clients see them: a copy keeps everything its source had, or has what was asked for instead, on a
 * store as strict as the strictest. Real stores follow in copy-on-stores.slow.test.ts.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Bench, openBench, temporaryStore } from '../../helpers/bench.ts';
import { type StrictBackend, strictBackend } from '../../helpers/strict-backend.ts';
import { copySuite } from './copy-suite.ts';

describe('on a store as strict as the strictest', () => {
  let bench: Bench;
  let strict: StrictBackend;
  beforeAll(async () => {
    const store = await temporaryStore();
    strict = strictBackend(store.backend, { equalParts: true });
    bench = await openBench({ store: { backend: strict, close: store.close } });
  });
  afterAll(() => bench.close());
  copySuite(() => bench);

  it('kept to its rules throughout', () => {
    expect(strict.violations).toEqual([]);
  });
});
