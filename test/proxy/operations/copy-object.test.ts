/**
 * Protects copies as clients see them: a copy keeps everything its source had, or has what was asked for instead, on a
 * store as strict as the strictest. Real stores follow in copy-on-stores.slow.test.ts.
 */
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Bench, openBench, temporaryStore } from '../../helpers/bench.ts';
import { type StrictBackend, strictBackend } from '../../helpers/strict-backend.ts';
import { copied, copySuite } from './copy-suite.ts';

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

  it.each([
    ['small', 1000, ['HEAD', 'PUT']],
    ['large', 1024 * 1024 + 1, ['HEAD', 'GET', 'PUT']],
  ] as const)(
    'asks the backend no more than it must for a %s object, and sends it no data',
    async (name, size, wanted) => {
      const { s3, bucket } = bench;
      await s3.send(new PutObjectCommand({ Bucket: bucket, Key: name, Body: Buffer.alloc(size, 'x') }));
      const { requests } = await bench.watch(() => copied(bench, name, `${name} copy`));
      expect(requests.map(({ method }) => method)).toEqual(wanted);
      expect(requests.reduce((sum, { bodyBytes }) => sum + bodyBytes, 0)).toBe(0);
      expect(requests.reduce((sum, { readBytes }) => sum + readBytes, 0)).toBeLessThan(16 * 1024);
    },
  );

  it('kept to its rules throughout', () => {
    expect(strict.violations).toEqual([]);
  });
});
