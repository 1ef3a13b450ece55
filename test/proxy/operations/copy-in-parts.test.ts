/**
 * Protects objects that one copy cannot carry: they are copied in equal ranges, which every backend takes, and what is left
 * over goes up behind them. The sizes at which this begins are made small for the test.
 */

import { randomBytes } from 'node:crypto';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { equalRanges } from '../../../proxy/object/move-stored.ts';
import { type Bench, openBench, temporaryStore } from '../../helpers/bench.ts';
import { MiB } from '../../helpers/bytes.ts';
import { type StrictBackend, strictBackend } from '../../helpers/strict-backend.ts';
import { copied, LONG_METADATA, md5, read } from './copy-suite.ts';

vi.mock('../../../proxy/limits.ts', async (original) => ({
  ...(await original<object>()),
  MAX_STORED_PUT_BYTES: 11 * 1024 * 1024,
  UPSTREAM_PART_BYTES: 11 * 1024 * 1024,
}));

describe('with a limit of 11 MiB', () => {
  let bench: Bench;
  let strict: StrictBackend;
  const body = randomBytes(23 * MiB + 1);
  beforeAll(async () => {
    const store = await temporaryStore();
    strict = strictBackend(store.backend, { equalParts: true });
    bench = await openBench({ store: { backend: strict, close: store.close } });
    await bench.s3.send(new PutObjectCommand({ Bucket: bench.bucket, Key: 'large', Body: body, Tagging: 'a=1' }));
  });
  afterAll(() => bench.close());

  const rangesOf = (requests: Bench['backend']['requests']) =>
    requests.flatMap(({ headers }) => headers['x-amz-copy-source-range'] ?? []);

  it('an object of 23 MiB is copied in three equal ranges, with headers, tags and checksum', async () => {
    const { requests } = await bench.watch(() => copied(bench, 'large', 'copy'));
    const ranges = rangesOf(requests).map((range) => range.replace('bytes=', '').split('-').map(Number));
    expect(ranges).toHaveLength(3);
    expect(new Set(ranges.map(([first = 0, last = 0]) => last - first + 1)).size).toBe(1);
    const sent = requests.reduce((sum, { bodyBytes }) => sum + bodyBytes, 0);
    expect(sent).toBeLessThan(4096);
    const copy = await read(bench, 'copy');
    const from = await read(bench, 'large', { Range: 'bytes=0-0' });
    expect([copy.bytes.equals(body), copy.ETag, copy.TagCount]).toEqual([true, `"${md5(body)}"`, 1]);
    expect([copy.ETag, copy.ContentType]).toEqual([from.ETag, from.ContentType]);
  });

  it('its new footer goes up with what is left over', async () => {
    await copied(bench, 'large', 'long', { MetadataDirective: 'REPLACE', Metadata: LONG_METADATA });
    const long = await read(bench, 'long');
    expect([long.bytes.equals(body), long.Metadata]).toEqual([true, LONG_METADATA]);
  });

  it('its metadata change in place', async () => {
    await copied(bench, 'copy', 'copy', { MetadataDirective: 'REPLACE', Metadata: { a: 'b' } });
    const copy = await read(bench, 'copy');
    expect([copy.bytes.equals(body), copy.Metadata, copy.TagCount]).toEqual([true, { a: 'b' }, 1]);
  });

  it('conditions on the target go along with Complete', async () => {
    const refused = copied(bench, 'large', 'copy', { IfNoneMatch: '*' });
    await expect(refused).rejects.toMatchObject({ name: 'PreconditionFailed' });
    await copied(bench, 'large', 'copy', { IfMatch: `"${md5(body)}"` });
    await copied(bench, 'large', 'fresh', { IfNoneMatch: '*' });
    expect((await read(bench, 'fresh', { Range: 'bytes=-5' })).bytes.equals(body.subarray(-5))).toBe(true);
    expect(strict.violations).toEqual([]);
  });
});

it('equal ranges cover all but fewer bytes than there are ranges', () => {
  const largest = 10 * MiB;
  fc.assert(
    fc.property(fc.integer({ min: 5 * MiB, max: 2 ** 43 }), (bytes) => {
      const { size, count } = equalRanges(bytes, largest);
      const rest = bytes - size * count;
      expect(rest).toBeGreaterThanOrEqual(0);
      expect(rest).toBeLessThan(count);
      expect(size).toBeLessThanOrEqual(largest);
      expect(size).toBeGreaterThanOrEqual(5 * MiB);
    }),
  );
});
