/**
 * Protects the headers about accounts: who pays, and whose bucket the client expects. They accompany every request to the store
 * that a client's request leads to, and of a copy the owner of one bucket is never named for the other: a store would refuse the
 * copy, or allow one from a bucket that somebody else has taken over.
 */
import { randomBytes } from 'node:crypto';
import { beforeAll, expect, test } from 'vitest';
import { sharedBench } from '../../helpers/bench.ts';
import { MiB } from '../../helpers/bytes.ts';
import { beginUpload, openReplica, type Replica } from '../../helpers/uploads.ts';

const OWNER = 'x-amz-expected-bucket-owner';
const SOURCE_OWNER = 'x-amz-source-expected-bucket-owner';
const PAYER = 'x-amz-request-payer';
const [TARGET, SOURCE] = ['111111111111', '222222222222'];
const MINE = [
  [OWNER, TARGET],
  [PAYER, 'requester'],
] as const;

const bench = sharedBench();
let relaying: Replica;
beforeAll(async () => {
  const { bucket } = bench;
  // The store has one owner, and here it is to seem to have two: it is not told whom the client expects.
  bench.backend.intercept = (request, next) => {
    const { [OWNER]: _, [SOURCE_OWNER]: __, ...headers } = request.headers ?? {};
    return next({ ...request, headers });
  };
  const put = async (key: string, bytes: number) =>
    expect((await bench.send({ method: 'PUT', path: `/${bucket}/${key}`, body: randomBytes(bytes) })).status).toBe(200);
  await put('small', 1_000);
  await put('large', 6 * MiB);
  relaying = await openReplica({ ...bench, capabilities: { ...bench.capabilities, replaceMetadata: false } });
  return () => relaying.proxy.close();
});

/** Of the requests to the data bucket that `work` led to: method, key, and what they say of accounts. */
async function accounts(work: () => Promise<{ status: number }>) {
  const mark = bench.backend.requests.length;
  expect((await work()).status).toBe(200);
  return bench.backend.since(mark, bench.bucket).map(({ method, key, query, headers }) => ({
    what: [method, key, ...('tagging' in query ? ['tagging'] : [])].filter((text) => text !== '').join(' '),
    owner: headers[OWNER],
    sourceOwner: headers[SOURCE_OWNER],
    payer: headers[PAYER],
  }));
}

const READS = [
  ['GET small', 'GET', '/small', '', undefined],
  ['a range of large, and its footer', 'GET', '/large', '', 'bytes=70000-80000'],
  ['HEAD large', 'HEAD', '/large', '', undefined],
  ['a listing, and its look-ups', 'GET', '', 'list-type=2&prefix=', undefined],
] as const;

test.each(READS)('%s', async (_, method, path, query, range) => {
  const fresh = await openReplica(bench);
  try {
    const headers = [...MINE, ...(range === undefined ? [] : [['range', range] as const])];
    const target = `/${bench.bucket}${path}`;
    const mark = bench.backend.requests.length;
    const reply = await fresh.send({ method, path: target, headers, ...(query === '' ? {} : { query }) });
    expect(reply.status).toBe(range === undefined ? 200 : 206);
    const sent = bench.backend.since(mark, bench.bucket);
    expect(sent.length).toBeGreaterThan(0);
    for (const { headers: found } of sent) expect([found[OWNER], found[PAYER]]).toEqual([TARGET, 'requester']);
  } finally {
    await fresh.proxy.close();
  }
});

const copyHeaders = (key: string, more: readonly (readonly [string, string])[] = []) => [
  ...MINE,
  [SOURCE_OWNER, SOURCE] as const,
  ['x-amz-copy-source', `/${bench.bucket}/${key}`] as const,
  ...more,
];

test('a copy inside the store: the look at the source names its owner, the copy names both', async () => {
  const path = `/${bench.bucket}/copied`;
  const sent = await accounts(() => bench.send({ method: 'PUT', path, headers: copyHeaders('small') }));
  expect(sent).toEqual([
    { what: 'HEAD small', owner: SOURCE, sourceOwner: undefined, payer: 'requester' },
    { what: 'PUT copied', owner: TARGET, sourceOwner: SOURCE, payer: 'requester' },
  ]);
});

test('a copy through the proxy: tags and bytes of the source are asked for with its owner', async () => {
  const path = `/${bench.bucket}/relayed`;
  const sent = await accounts(() => relaying.send({ method: 'PUT', path, headers: copyHeaders('large') }));
  const put = sent.filter(({ what }) => what === 'PUT relayed');
  expect(put).toEqual([{ what: 'PUT relayed', owner: TARGET, sourceOwner: undefined, payer: 'requester' }]);
  const reads = sent.filter(({ what }) => what !== 'PUT relayed');
  expect(new Set(reads.map(({ what }) => what))).toEqual(new Set(['HEAD large', 'GET large', 'GET large tagging']));
  for (const { what, owner, sourceOwner } of reads)
    expect([what, owner, sourceOwner]).toEqual([what, SOURCE, undefined]);
});

test('a part from an object: the source is read with its owner, the part is stored with that of the upload', async () => {
  const upload = await beginUpload(bench, 'of-parts');
  const path = `/${bench.bucket}/of-parts`;
  const query = `partNumber=1&uploadId=${encodeURIComponent(upload.id)}`;
  const bytes = [['x-amz-copy-source-range', 'bytes=0-999999'] as const];
  const whole = await accounts(() => bench.send({ method: 'PUT', path, query, headers: copyHeaders('large') }));
  const range = await accounts(() => bench.send({ method: 'PUT', path, query, headers: copyHeaders('large', bytes) }));
  await upload.abort();
  expect(whole.map(({ what }) => what)).toContain('PUT of-parts');
  for (const sent of [whole, range]) {
    expect(sent.length).toBeGreaterThan(1);
    for (const { what, owner } of sent) expect([what, owner]).toEqual([what, what.endsWith('large') ? SOURCE : TARGET]);
  }
});
