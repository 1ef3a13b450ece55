/**
 * A process keeps pages of listings, and what it knows of listed versions, for all its callers. Protects: nobody is shown what
 * another tenant, another key, another moment, or a store that lists more than it was asked for, left there.
 */
import { createHash, randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { unsealAccessKeyId } from '../../proxy/keyring/access-keys/access-key-id.ts';
import { KeyAdmin } from '../../proxy/keyring/admin/key-admin.ts';
import type { Grant } from '../../proxy/keyring/grants.ts';
import { KdfRunner } from '../../proxy/keyring/slots/kdf.ts';
import { KEYRING_TTL_SECONDS } from '../../proxy/limits.ts';
import { type Bench, openBench } from '../helpers/bench.ts';
import type { TestTenant } from '../helpers/proxy.ts';
import { objectPath, type RawReply, type RawRequest } from '../helpers/raw-client.ts';
import { openReplica, type Replica } from '../helpers/uploads.ts';

const ROUNDS = 3;
const body = randomBytes(1_000);
const other = randomBytes(1_000);
const md5 = (data: Buffer) => `"${createHash('md5').update(data).digest('hex')}"`;
const signal = new AbortController().signal;

let now = Date.now();
let bench: Bench;
let replica: Replica;
let admin: KeyAdmin;
beforeAll(async () => {
  bench = await openBench({ now: () => new Date(now) });
  replica = await openReplica(bench);
  const { state, sealKeys } = bench.proxy;
  admin = new KeyAdmin({ state, sealKeys, record: () => {}, now: () => new Date(now), runner: new KdfRunner() });
  for (const key of ['public/a', 'private/a']) await put(key, body);
});
afterAll(async () => {
  await replica.proxy.close();
  await bench.close();
});
afterEach(() => {
  bench.backend.intercept = (request, next) => next(request);
});

const put = (key: string, data: Buffer, at: Pick<Bench, 'send'> = bench) =>
  at.send({ method: 'PUT', path: objectPath(bench.bucket, key), body: data });
const page = (prefix: string): RawRequest => ({
  method: 'GET',
  path: `/${bench.bucket}`,
  query: `list-type=2&prefix=${encodeURIComponent(prefix)}`,
  date: new Date(now),
});
const list = (prefix: string, as?: TestTenant) => bench.send(page(prefix), as);
const rows = ({ body: document }: RawReply) =>
  [...document.toString().matchAll(/<Key>([^<]+)<\/Key>.*?<ETag>([^<]+)<\/ETag>.*?<Size>(\d+)</g)].map(
    ([, key, etag, size]) => [key, etag?.replaceAll('&quot;', '"'), Number(size)],
  );
/** As the page is made, as it is when every row is known, and as it is sent again. */
async function always(ask: () => Promise<RawReply>, wanted: readonly unknown[]): Promise<void> {
  for (let round = 0; round < ROUNDS; round++) expect(rows(await ask())).toEqual(wanted);
}
/** Another key of the tenant. */
async function keyWith(grants: readonly Grant[]): Promise<TestTenant & { slot: string }> {
  const caller = unsealAccessKeyId(bench.tenant.accessKeyId, bench.proxy.sealKeys);
  const { tenant, slot, accessKeyId, secretAccessKey = '' } = await admin.create(caller, { grants }, signal);
  now += 1_000;
  return { tenant, slot, accessKeyId, secretAccessKey };
}
const onPublic: Grant = { bucket: '*', prefix: 'public/', access: 'read-only' };

test("a tenant never gets another's page, nor what is known of its rows", async () => {
  const stranger = await bench.proxy.createTenant();
  await always(() => list('public/'), [['public/a', md5(body), 1_000]]);
  for (let round = 0; round < ROUNDS; round++) {
    const [[key, etag, size] = []] = rows(await list('public/', stranger));
    expect([key, size === 1_000]).toEqual(['public/a', false]);
    expect(etag).toMatch(/-1"$/);
  }
  await always(() => list('public/'), [['public/a', md5(body), 1_000]]);
});

test('a page that is kept is not sent to a key whose grants do not cover it, nor after they were narrowed', async () => {
  const wide = await keyWith([{ ...onPublic, prefix: '' }]);
  const limited = await keyWith([onPublic]);
  await always(
    () => list('', wide),
    [
      ['private/a', md5(body), 1_000],
      ['public/a', md5(body), 1_000],
    ],
  );
  expect((await list('', limited)).status).toBe(403);
  await always(() => list('public/', limited), [['public/a', md5(body), 1_000]]);
  await admin.update({ tenant: wide.tenant, slot: wide.slot, change: { grants: [onPublic] } }, signal);
  now += 1_000 * KEYRING_TTL_SECONDS;
  expect((await list('', wide)).status).toBe(403);
  expect((await list('private/', wide)).status).toBe(403);
  expect((await list('public/', wide)).status).toBe(200);
});

test('what a store lists beside the prefix that was asked for is not opened, known or not', async () => {
  await always(() => list('private/'), [['private/a', md5(body), 1_000]]);
  const limited = await keyWith([onPublic]);
  bench.backend.intercept = (request, next) =>
    next({ ...request, query: (request.query ?? []).filter(([name]) => name !== 'prefix') });
  for (const query of ['list-type=2&prefix=public%2F', 'prefix=public%2F', 'versions&prefix=public%2F']) {
    for (let round = 0; round < ROUNDS; round++) {
      const found = rows(await bench.send({ ...page(''), query }, limited));
      expect(found.map(([key]) => key)).toEqual(['private/a', 'public/a']);
      expect(found[0]?.[1]).toMatch(/-1"$/);
      expect(found[0]?.[2]).not.toBe(1_000);
      expect(found[1]).toEqual(['public/a', md5(body), 1_000]);
    }
  }
});

test('what another process stores, copies or deletes shows at once, in the same second and of the same size', async () => {
  for (const data of [body, other, body]) {
    await put('moment/a', data, replica);
    await always(() => list('moment/'), [['moment/a', md5(data), 1_000]]);
  }
  const headers = [['x-amz-copy-source', `${bench.bucket}/moment/a`]] as const;
  await put('moment/a', other, replica);
  await replica.send({ method: 'PUT', path: objectPath(bench.bucket, 'moment/b'), headers });
  await always(
    () => list('moment/'),
    [
      ['moment/a', md5(other), 1_000],
      ['moment/b', md5(other), 1_000],
    ],
  );
  await bench.backend.inner.send({ method: 'DELETE', bucket: bench.bucket, key: 'moment/a', signal });
  await always(() => list('moment/'), [['moment/b', md5(other), 1_000]]);
});
