/**
 * Protects: every object that the twin corpus makes answers as before when its bucket has been sealed in place, ETags included, and
 * the bare store says of it what it said before when the bucket has been opened again.
 *
 * Two instances of a store hold the same: each sequence of the corpus is run against both, bare. Then the buckets of one are sealed, and
 * what the proxy in front of it answers is compared with what the other answers bare; and the same bare after the way back.
 */
import { afterAll, expect, test } from 'vitest';
import type { Backend } from '../../proxy/backend/backend.ts';
import { listObjects } from '../../proxy/backend/list-all.ts';
import { openBench, temporaryStore } from '../helpers/bench.ts';
import { objectPath } from '../helpers/raw-client.ts';
import { migrate } from '../proxy/migrate/harness.ts';
import { serveBare } from './bare-server.ts';
import { CORPUS } from './corpus/all.ts';
import type { TwinRequest } from './request.ts';
import { type Sequence, twinOf } from './twin.ts';

const closers: (() => Promise<void>)[] = [];
afterAll(async () => {
  for (const close of closers.reverse()) await close();
});

const CREDENTIALS = { accessKeyId: 'any', secretAccessKey: 'any' };

async function bareSide(backend: Backend) {
  const server = await serveBare(backend, { checksums: [] });
  closers.push(() => server.close());
  return { endpoint: server.endpoint, credentials: CREDENTIALS };
}

/** Many sequences write the same and read it in other ways: one of each, since everything is read here. */
const MAKING: readonly Sequence[] = [
  ...new Map(
    CORPUS.filter(({ stores = ['embedded'] }) => stores.includes('embedded')).map((sequence) => [
      writesOf(sequence),
      sequence,
    ]),
  ).values(),
];

function writesOf({ bucket, steps }: Sequence): string {
  const writes = steps.flat().filter(({ method }) => method !== 'GET' && method !== 'HEAD');
  return JSON.stringify([bucket, writes]);
}

const source = (backend: Backend) => ({ backend, signal: AbortSignal.timeout(600_000) });

/** Reads of everything in a bucket, in every way in which clients read. */
async function readsOf(backend: Backend, bucket: string): Promise<TwinRequest[]> {
  const keys: string[] = [];
  for await (const { key } of listObjects(source(backend), { bucket, prefix: '' })) keys.push(key);
  const ofObject = (key: string): TwinRequest[] => {
    const path = objectPath(bucket, key);
    return [
      { method: 'HEAD', path },
      { method: 'GET', path },
      { method: 'GET', path, headers: [['range', 'bytes=1-3']] },
      { method: 'GET', path, headers: [['range', 'bytes=-2']] },
      { method: 'HEAD', path, query: [['partNumber', '1']] },
      { method: 'GET', path, query: [['partNumber', '2']] },
      { method: 'GET', path, headers: [['if-none-match', '*']] },
      { method: 'GET', path, query: 'tagging' },
    ];
  };
  const path = `/${bucket}`;
  return [
    { method: 'GET', path, query: 'list-type=2' },
    { method: 'GET', path, query: 'encoding-type=url' },
    ...keys.flatMap(ofObject),
  ];
}

test('the corpus, sealed and opened again', async () => {
  const other = await temporaryStore();
  closers.push(() => other.close());
  const bench = await openBench();
  closers.push(() => bench.close());
  const [one, two] = [await bareSide(other.backend), await bareSide(bench.backend.inner)];
  const close = async () => {};
  const making = twinOf({ store: 'embedded', bare: one, proxy: two, buckets: 'moved', close });
  for (const sequence of MAKING) await making.run(sequence, { quietly: true, toTheEnd: true });
  const buckets = MAKING.map((_, at) => `moved-${at + 1}`);
  const reads: (readonly TwinRequest[])[] = [];
  const counts = { encrypted: 0, etags: 0, buckets: 0 };
  for (const [at, bucket] of buckets.entries()) {
    const exists = await other.backend.send({ method: 'HEAD', bucket, signal: AbortSignal.timeout(60_000) });
    reads.push(exists.status === 200 ? await readsOf(other.backend, bucket) : []);
    if (exists.status !== 200) continue;
    const { record, outcome } = await migrate(bench, 'encrypt', { bucket });
    expect([bucket, outcome, record.counts['failed'], record.counts['damaged']]).toEqual([
      bucket,
      'done',
      undefined,
      undefined,
    ]);
    expect([MAKING[at]?.name, record.counts['etag-changed']]).toEqual([MAKING[at]?.name, undefined]);
    counts.encrypted += record.counts['encrypted'] ?? 0;
    counts.buckets += 1;
  }
  expect(counts.encrypted).toBeGreaterThan(100);
  const proxy = { endpoint: bench.proxy.endpoint, credentials: bench.tenant };
  for (const side of [proxy, two]) {
    if (side === two) {
      for (const [at, bucket] of buckets.entries()) {
        if ((reads[at] ?? []).length > 0) expect((await migrate(bench, 'decrypt', { bucket })).outcome).toBe('done');
      }
    }
    for (const [at, requests] of reads.entries()) {
      if (requests.length === 0) continue;
      const looking = twinOf({
        store: 'embedded',
        bare: one,
        proxy: side,
        buckets: `none-${side === two}-${at}`,
        close,
      });
      const { unexplained } = await looking.run({ name: buckets[at] ?? '', steps: requests }, { toTheEnd: true });
      expect([MAKING[at]?.name, unexplained.filter(({ difference }) => !isOfTime(difference.at))]).toEqual([
        MAKING[at]?.name,
        [],
      ]);
    }
  }
  console.log(`${counts.encrypted} objects of ${counts.buckets} buckets`);
});

/** Every write has its own time and, where versions are kept, its own version. */
function isOfTime(at: string): boolean {
  return /last-modified|lastmodified|version-?id/i.test(at);
}
