/**
 * Protects: a listing looks up each version once, whoever lists it and however many at a time; never more at once than its
 * bound; and a caller that gives up leaves the others' look-ups alone.
 */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { beforeAll, beforeEach, expect, test } from 'vitest';
import { LIST_LOOKUPS_AT_ONCE } from '../../../proxy/limits.ts';
import { sharedBench } from '../../helpers/bench.ts';
import { objectPath, type RawReply, signHeaders } from '../../helpers/raw-client.ts';
import { openReplica, type Replica } from '../../helpers/uploads.ts';
import type { WatchedBackend } from '../../helpers/watched-backend.ts';

const ROWS = 200;
const bench = sharedBench();
let replica: Replica;
beforeAll(async () => {
  for (let from = 0; from < ROWS; from += 20) {
    const keys = Array.from({ length: 20 }, (_, index) => `row/${from + index}`);
    const put = (key: string) =>
      bench.send({ method: 'PUT', path: objectPath(bench.bucket, key), body: randomBytes(1_000) });
    for (const { status } of await Promise.all(keys.map(put))) expect(status).toBe(200);
  }
});
/** A process with nothing in its caches but the caller's keyring. */
beforeEach(async () => {
  bench.backend.intercept = (request, next) => next(request);
  replica = await openReplica(bench);
  await replica.send({ method: 'HEAD', path: `/${bench.bucket}` });
  return () => replica.proxy.close();
});

const target = () => ({ method: 'GET', path: `/${bench.bucket}`, query: 'list-type=2&prefix=row%2F' });
const list = (as = bench.tenant): Promise<RawReply> => replica.send(target(), as);
const sizes = (reply: RawReply) => [...reply.body.toString().matchAll(/<Size>(\d+)<\/Size>/g)].map(([, size]) => size);
const plain = Array.from({ length: ROWS }, () => '1000');

async function heads(work: () => Promise<unknown>): Promise<number> {
  const { requests } = await bench.watch(work);
  return requests.filter(({ method }) => method === 'HEAD').length;
}

/** Counts look-ups under way, and holds them until `open` is called. */
function gate(backend: WatchedBackend): {
  open: () => void;
  most: () => number;
  held: (count: number) => Promise<void>;
} {
  const opened = Promise.withResolvers<void>();
  let running = 0;
  let most = 0;
  let wake = () => {};
  backend.intercept = async (request, next) => {
    if (request.method !== 'HEAD') return next(request);
    running += 1;
    most = Math.max(most, running);
    wake();
    await opened.promise;
    running -= 1;
    return next(request);
  };
  const held = async (count: number) => {
    while (running < count) {
      const { promise, resolve } = Promise.withResolvers<void>();
      wake = resolve;
      await promise;
    }
  };
  return { open: opened.resolve, most: () => most, held };
}

test('several listings at once look up each row once, within the bound, and all show plaintext', async () => {
  const { open, most, held } = gate(bench.backend);
  const looked = await heads(async () => {
    const listings = [list(), list(), list()];
    await held(LIST_LOOKUPS_AT_ONCE);
    open();
    for (const reply of await Promise.all(listings)) expect(sizes(reply)).toEqual(plain);
  });
  expect(looked).toBe(ROWS);
  expect(most()).toBe(LIST_LOOKUPS_AT_ONCE);
  expect(await heads(async () => expect(sizes(await list())).toEqual(plain))).toBe(0);
});

test('a caller that goes away in the middle does not fail the other, nor make it ask twice', async () => {
  const { open, held } = gate(bench.backend);
  const { host, hostname, port } = new URL(replica.proxy.endpoint);
  const { path, query } = target();
  const head = signHeaders(target(), bench.tenant, host).map(([name, value]) => `${name}: ${value}\r\n`);
  const leaving = connect(Number(port), hostname);
  await once(leaving, 'connect');
  const looked = await heads(async () => {
    leaving.write(`GET ${path}?${query} HTTP/1.1\r\n${head.join('')}\r\n`);
    await held(LIST_LOOKUPS_AT_ONCE);
    const staying = list();
    // Its LIST has been answered when it too waits for the look-ups.
    await expect.poll(() => bench.backend.requests.at(-1)?.query['list-type']).toBe('2');
    leaving.destroy();
    await once(leaving, 'close');
    open();
    expect(sizes(await staying)).toEqual(plain);
  });
  expect(looked).toBeGreaterThanOrEqual(ROWS);
  // Those that were under way when the first one left, at most, if it left before the other had joined them.
  expect(looked).toBeLessThanOrEqual(ROWS + LIST_LOOKUPS_AT_ONCE);
});

test('rows of another tenant are looked up once too, and show no ETag of plaintext', async () => {
  const stranger = await bench.proxy.createTenant();
  await replica.send({ method: 'HEAD', path: `/${bench.bucket}` }, stranger);
  const etags = (reply: RawReply) => [...reply.body.toString().matchAll(/<ETag>&quot;([^&]*)&quot;<\/ETag>/g)];
  expect(
    await heads(async () => {
      const shown = etags(await list(stranger));
      expect(shown).toHaveLength(ROWS);
      for (const [, etag] of shown) expect(etag).toMatch(/-1$/);
    }),
  ).toBe(ROWS);
  expect(await heads(() => list(stranger))).toBe(0);
  // What one tenant is shown says nothing of what another is.
  expect(sizes(await list())).toEqual(plain);
});

test('a page sent again is the page of the moment, for these parameters', async () => {
  const key = 'row/7';
  const put = (bytes: number) =>
    bench.send({ method: 'PUT', path: objectPath(bench.bucket, key), body: randomBytes(bytes) });
  const listWith = (query: string) => replica.send({ ...target(), query }, bench.tenant);
  // The first listing looks up, the second knows every row, the third can only repeat the second.
  for (let round = 0; round < 3; round += 1) expect(sizes(await list())).toEqual(plain);
  expect((await put(2_000)).status).toBe(200);
  for (let round = 0; round < 3; round += 1) {
    expect(sizes(await list()).filter((size) => size !== '1000')).toEqual(['2000']);
  }
  // The store is asked the same, whatever the encoding that the client asks for.
  const encoded = (reply: RawReply) => /<EncodingType>|<Key>row%2F7<\/Key>/.test(reply.body.toString());
  expect(encoded(await listWith('list-type=2&prefix=row%2F&encoding-type=url'))).toBe(true);
  expect(encoded(await list())).toBe(false);
  expect((await put(1_000)).status).toBe(200);
  expect(sizes(await list())).toEqual(plain);
});
