/**
 * Protects uploads of 10,000 parts: they complete in bounded memory, listings and the part table go over many pages, and any range
 * reads. The smallest part is made small here, and the store keeps everything in memory.
 */

import { createHash, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { MAX_PART_NUMBER } from '../../../proxy/limits.ts';
import { type Bench, openBench } from '../../helpers/bench.ts';
import { MiB } from '../../helpers/bytes.ts';
import { PARTS_STORE_CAPABILITIES, PartsStore } from '../../helpers/parts-store.ts';
import { beginUpload, elements, type Listed, md5, openReplica, outcome, uploadState } from '../../helpers/uploads.ts';

vi.mock('../../../proxy/limits.ts', async (original) => ({
  ...(await original<typeof import('../../../proxy/limits.ts')>()),
  MIN_PART_BYTES: 1000,
}));

const PART_BYTES = 2048;
const AT_ONCE = 16;

describe('10,000 parts', () => {
  let bench: Bench;
  beforeAll(async () => {
    const backend = new PartsStore();
    const store = { backend, close: () => backend.close() };
    bench = await openBench({ store, capabilities: PARTS_STORE_CAPABILITIES });
  });
  afterAll(() => bench.close());

  it('go up, are listed, complete and read', async () => {
    const source = randomBytes(MAX_PART_NUMBER + PART_BYTES);
    const bodyOf = (number: number) => source.subarray(number, number + PART_BYTES - (number % 3));
    const upload = await beginUpload(bench, 'many', [
      ['x-amz-checksum-algorithm', 'CRC64NVME'],
      ['x-amz-checksum-type', 'FULL_OBJECT'],
    ]);
    const report: string[] = [];
    let since = performance.now();
    const lap = (what: string) => {
      report.push(`${what} ${Math.round(performance.now() - since)} ms`);
      since = performance.now();
    };

    const listed: Listed[] = [];
    const lane = async (from: number) => {
      for (let number = from; number <= MAX_PART_NUMBER; number += AT_ONCE) {
        listed[number - 1] = await upload.put(number, bodyOf(number));
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, (_, at) => lane(at + 1)));
    lap('upload');

    const replica = await openReplica(bench);
    const there = upload.through(replica.send);
    const seen: string[] = [];
    for (let marker = '0'; ; ) {
      const page = await there.list(`part-number-marker=${marker}`);
      seen.push(...elements(page, 'PartNumber'));
      if (elements(page, 'IsTruncated')[0] !== 'true') break;
      marker = elements(page, 'NextPartNumberMarker')[0] ?? '';
    }
    expect(seen).toEqual(Array.from({ length: MAX_PART_NUMBER }, (_, at) => String(at + 1)));
    lap('list in 10 pages');

    globalThis.gc?.();
    const before = process.memoryUsage.rss();
    const done = await there.complete(listed);
    const grown = process.memoryUsage.rss() - before;
    expect(outcome(done)).toBe('200');
    lap('complete');
    expect(await uploadState(bench.backend)).toEqual([]);
    const digests = listed.map(({ etag }) => Buffer.from(etag.replaceAll('"', ''), 'hex'));
    expect(elements(done, 'ETag')).toEqual([`"${md5(Buffer.concat(digests))}-10000"`]);
    // Receipts, names, parts and the document of 10,000 rows: some 30 MB, and what they leave to collect. The ciphertext is the store's.
    expect(grown).toBeLessThan(400 * MiB);

    const whole = Buffer.concat(listed.map((_, at) => bodyOf(at + 1)));
    const other = await openReplica(bench);
    const reading = upload.through(other.send);
    const head = await reading.get({ method: 'HEAD' });
    expect(head.headers['content-length']).toBe(String(whole.length));
    lap('cold HEAD');
    const last = await reading.get({ headers: [['range', 'bytes=-1']] });
    expect(last.body.equals(whole.subarray(-1))).toBe(true);
    lap('range with a cold part table');
    let compared = 0;
    for (let at = 0; at < 200; at++) {
      const start = Math.floor((whole.length / 200) * at);
      const end = Math.min(start + 1 + (at % 7) * 3000, whole.length);
      const got = await reading.get({ headers: [['range', `bytes=${start}-${end - 1}`]] });
      expect([got.status, got.body.equals(whole.subarray(start, end)), start]).toEqual([206, true, start]);
      compared += 1;
    }
    expect(compared).toBe(200);
    lap('200 ranges');
    const got = await reading.get({ headers: [['x-amz-checksum-mode', 'ENABLED']] });
    expect(createHash('sha256').update(got.body).digest('hex')).toBe(createHash('sha256').update(whole).digest('hex'));
    expect(got.headers['x-amz-checksum-crc64nvme']).toBe(elements(done, 'ChecksumCRC64NVME')[0]);
    lap('whole');
    const part = await reading.get({ query: 'partNumber=9999' });
    expect([part.headers['x-amz-mp-parts-count'], part.body.equals(bodyOf(9999))]).toEqual(['10000', true]);
    console.log(`10,000 parts: ${report.join(', ')}; Complete grew the process by ${Math.round(grown / MiB)} MiB`);
    for (const { proxy } of [replica, other]) await proxy.close();
  });
});
