/**
 * Protects: in opaque mode a page of a listing costs one request at the store, and every row says what HEAD says: sizes at and
 * around each edge of the stored lengths, uploads of parts, copies and forms. What a length cannot tell is looked up, and so is
 * every row that may be legacy. A listing never goes by what the other mode would show.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { LegacyPolicy } from '../../../proxy/config/config.ts';
import { type Bench, openBench, setVersioning } from '../../helpers/bench.ts';
import { MiB } from '../../helpers/bytes.ts';
import { type Header, objectPath } from '../../helpers/raw-client.ts';
import { storeDirectly } from '../../helpers/stored.ts';
import { TELLING_PART_SIZES } from '../../helpers/uploads.ts';
import { etagOf, everyKind, LISTINGS, listed, ok, put, SOURCE, upload } from './harness.ts';

const SEGMENT = 65_536;
const around = (edge: number) => [edge - 1, edge, edge + 1];
const LONG: Header = ['x-amz-meta-long', 'x'.repeat(1900)];

const open = (legacy: LegacyPolicy, now?: () => Date) =>
  openBench({ config: { etags: 'opaque', legacy }, ...(now === undefined ? {} : { now }) });

/** Every row as HEAD has it; and the requests at the store that the page took. */
async function expectAsHead(bench: Bench, query: string): Promise<string[]> {
  const { result: page, requests } = await bench.watch(() => listed(bench, query));
  for (const [key, row] of page) {
    const { headers } = await ok(bench.send({ method: 'HEAD', path: objectPath(bench.bucket, key) }));
    expect([key, row]).toEqual([key, { etag: headers['etag'], size: Number(headers['content-length']) }]);
  }
  return requests.map(({ method, key }) => `${method} ${key}`);
}

describe('where legacy objects are denied', () => {
  let bench: Bench;
  beforeAll(async () => {
    bench = await open({ kind: 'deny' });
  });
  afterAll(() => bench.close());

  it('one request for a page, right for every size from 0 to 20 MiB at and around each edge', async () => {
    const whole = Buffer.concat([SOURCE, SOURCE]);
    const edges = [SEGMENT, 2 * SEGMENT, 15 * SEGMENT, MiB, MiB + SEGMENT, 5 * MiB, 10 * MiB, 15 * MiB, 20 * MiB];
    const sizes = [0, 1, 2, ...edges.flatMap(around), 5 * MiB + SEGMENT, 700_001, 3_333_333];
    for (const size of sizes) await ok(put(bench, `size/${String(size).padStart(9, '0')}`, whole.subarray(0, size)));
    for (const query of LISTINGS) {
      expect(await expectAsHead(bench, [query, 'prefix=size%2F'].filter((text) => text !== '').join('&'))).toEqual([
        'GET ',
      ]);
    }
    expect((await listed(bench, 'list-type=2&prefix=size%2F')).size).toBe(new Set(sizes).size);
  });

  it('the same for uploads of parts, whatever they are', async () => {
    for (const [at, sizes] of TELLING_PART_SIZES.entries()) {
      for (const algorithm of [undefined, 'SHA512']) {
        const headers: Header[] = algorithm === undefined ? [] : [['x-amz-checksum-algorithm', algorithm]];
        await upload(bench, `parts/${at}-${algorithm}`, sizes, headers);
      }
    }
    expect(await expectAsHead(bench, 'list-type=2&prefix=parts%2F')).toEqual(['GET ']);
  });

  it('rows whose length tells nothing are looked up, once', async () => {
    await ok(put(bench, 'odd/plain', SOURCE.subarray(0, 70_000)));
    await ok(put(bench, 'odd/metadata', SOURCE.subarray(0, 70_000), [LONG]));
    await upload(bench, 'odd/staged', [70_000]);
    const found = await expectAsHead(bench, 'list-type=2&prefix=odd%2F');
    expect(found[0]).toBe('GET ');
    expect(new Set(found.slice(1).map((request) => request.split(' ')[1]))).toEqual(
      new Set(['odd/metadata', 'odd/staged']),
    );
    expect(await expectAsHead(bench, 'list-type=2&prefix=odd%2F')).toEqual(['GET ']);
  });

  it('every kind of object, and every version of it', async () => {
    await setVersioning(bench, 'Enabled');
    await everyKind(bench);
    for (const query of LISTINGS.slice(0, 2)) await expectAsHead(bench, query);
    const key = 'twice';
    const told = [];
    for (const size of [10, 2 * MiB]) {
      const { headers } = await ok(put(bench, key, SOURCE.subarray(0, size)));
      told.push({ etag: headers['etag'], size, version: headers['x-amz-version-id'] });
    }
    const reply = await ok(bench.send({ method: 'GET', path: `/${bench.bucket}`, query: `versions=&prefix=${key}` }));
    const rows = [...reply.body.toString().matchAll(/<Version>.*?<\/Version>/gs)].map(([row]) => ({
      etag: etagOf({ ...reply, headers: {}, body: Buffer.from(row) }),
      size: Number(/<Size>(\d+)/.exec(row)?.[1]),
      version: /<VersionId>([^<]*)/.exec(row)?.[1],
    }));
    expect(rows).toEqual(told.toReversed());
  });

  it('a page that is asked for again is the same', async () => {
    const [first, again] = [await listed(bench, 'list-type=2'), await listed(bench, 'list-type=2')];
    expect(again).toEqual(first);
    expect(first.size).toBeGreaterThan(50);
  });
});

describe('where legacy objects may be', () => {
  it('before a time: rows from that time on are told by their length, and older ones looked up', async () => {
    const bench = await open({ kind: 'before', time: Date.now() - 3_600_000 });
    const { bucket } = bench;
    for (const key of ['new/a', 'new/b']) await ok(put(bench, key, SOURCE.subarray(0, 5000)));
    expect(await expectAsHead(bench, 'list-type=2&prefix=new%2F')).toEqual(['GET ']);
    await bench.close();

    const time = Math.ceil((Date.now() + 3_600_000) / 1000) * 1000 + 500;
    const later = await open({ kind: 'before', time });
    await storeDirectly(later.backend.inner, {
      bucket: later.bucket,
      key: 'old/legacy',
      body: SOURCE.subarray(0, 5048),
    });
    await ok(put(later, 'old/sealed', SOURCE.subarray(0, 5000)));
    const found = await expectAsHead(later, 'list-type=2&prefix=old%2F');
    expect(found.toSorted()).toEqual(['GET ', 'HEAD old/legacy', 'HEAD old/sealed']);
    const page = await listed(later, 'list-type=2&prefix=old%2F');
    expect(page.get('old/legacy')?.size).toBe(5048);
    expect(bucket).not.toBe(later.bucket);
    await later.close();
  });

  it('allowed: every row is looked up, since a legacy object may have any length', async () => {
    const bench = await open({ kind: 'allow' });
    await storeDirectly(bench.backend.inner, { bucket: bench.bucket, key: 'legacy', body: SOURCE.subarray(0, 1048) });
    await ok(put(bench, 'sealed', SOURCE.subarray(0, 1000)));
    const found = await expectAsHead(bench, 'list-type=2');
    expect(found.toSorted()).toEqual(['GET ', 'HEAD legacy', 'HEAD sealed']);
    expect(await expectAsHead(bench, 'list-type=2')).toEqual(['GET ']);
    await bench.close();
  });

  it('a time within a second decides as HEAD does, which knows seconds', async () => {
    const bench = await open({ kind: 'before', time: 0 });
    await storeDirectly(bench.backend.inner, { bucket: bench.bucket, key: 'k', body: SOURCE.subarray(0, 1048) });
    const page = await ok(bench.send({ method: 'GET', path: `/${bench.bucket}`, query: 'list-type=2' }));
    const written = Date.parse(/<LastModified>([^<]*)/.exec(page.body.toString())?.[1] ?? '');
    await bench.close();
    // The row's time is later than the policy's, and the second that HEAD tells is before it.
    const second = Math.floor(written / 1000) * 1000;
    for (const [time, isLegacy] of [
      [second + 1, true],
      [second, false],
    ] as const) {
      const other = await open({ kind: 'before', time });
      other.backend.intercept = async (request, next) => {
        const response = await next(request);
        return { ...response, headers: { ...response.headers, 'last-modified': new Date(second).toUTCString() } };
      };
      await storeDirectly(other.backend.inner, { bucket: other.bucket, key: 'k', body: SOURCE.subarray(0, 1048) });
      const head = await other.send({ method: 'HEAD', path: objectPath(other.bucket, 'k') });
      expect(head.status).toBe(isLegacy ? 200 : 403);
      await other.close();
    }
  });
});
