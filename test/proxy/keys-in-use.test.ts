/**
 * Keys that change under a running proxy: what was revoked is refused on every operation before anything is asked of the
 * store, what is new works at once on every replica, and a burst of first requests costs one derivation.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { unsealAccessKeyId } from '../../proxy/keyring/access-keys/access-key-id.ts';
import type { KeyringDeps } from '../../proxy/keyring/admin/change-keyring.ts';
import { deleteTenant } from '../../proxy/keyring/admin/delete-tenant.ts';
import { KeyAdmin } from '../../proxy/keyring/admin/key-admin.ts';
import { DEFAULT_KDFS, KdfRunner, processKdfRunner } from '../../proxy/keyring/slots/kdf.ts';
import { KEYRING_TTL_SECONDS } from '../../proxy/limits.ts';
import { countObjects } from '../../proxy/object/count-objects.ts';
import { OPERATIONS } from '../../proxy/operations/table.ts';
import { type Bench, openBench } from '../helpers/bench.ts';
import { startTestProxy, type TestProxy, type TestTenant } from '../helpers/proxy.ts';
import { type Header, objectPath, type RawRequest, sendRaw, sendSigned, signedForm } from '../helpers/raw-client.ts';

const signal = new AbortController().signal;
let now = Date.parse('2026-03-01T12:00:00Z');
let bench: Bench;
let replica: TestProxy;
let deps: KeyringDeps;
/** As the command line does it: another process than the servers. */
let admin: KeyAdmin;

beforeAll(async () => {
  bench = await openBench({ now: () => new Date(now) });
  const { sealKeys } = bench.proxy;
  const { capabilities } = bench;
  replica = await startTestProxy({ backend: bench.backend, sealKeys, capabilities, now: () => new Date(now) });
  const { state } = bench.proxy;
  deps = { state, sealKeys, record: () => undefined, now: () => new Date(now), runner: new KdfRunner() };
  admin = new KeyAdmin(deps);
});
afterAll(async () => {
  await replica.close();
  await bench.close();
});

const callerOf = (key: Pick<TestTenant, 'accessKeyId'>) => unsealAccessKeyId(key.accessKeyId, bench.proxy.sealKeys);
const usable = (key: { tenant: string; accessKeyId: string; secretAccessKey?: string }): TestTenant => ({
  tenant: key.tenant,
  accessKeyId: key.accessKeyId,
  secretAccessKey: key.secretAccessKey ?? '',
});
const at = (request: RawRequest): RawRequest => ({ ...request, date: new Date(now) });
const get = (key: TestTenant, proxy: TestProxy = bench.proxy) =>
  sendSigned(proxy.endpoint, key, at({ method: 'GET', path: objectPath(bench.bucket, 'object') }));
const put = (key: TestTenant, body: string) =>
  bench.send(at({ method: 'PUT', path: objectPath(bench.bucket, 'object'), body }), key);

describe('rotation', () => {
  test('keeps the data, and the new key works at once on every replica, warm caches or not', async () => {
    const first = await bench.proxy.createTenant();
    expect((await put(first, 'the data')).status).toBe(200);
    expect([(await get(first)).status, (await get(first, replica)).status]).toEqual([200, 200]);
    const second = usable(await admin.rotate(callerOf(first), {}, signal));
    for (const proxy of [bench.proxy, replica]) {
      const reply = await get(second, proxy);
      expect([reply.status, reply.body.toString()]).toEqual([200, 'the data']);
      // Reading the new keyring for the new key, the replica learned that the old one is gone.
      expect([(await get(first, proxy)).status, (await get(first, proxy)).code]).toEqual([403, 'InvalidAccessKeyId']);
    }
  });

  test('of one key by two at once gives one new key; the other is told so', async () => {
    const first = await bench.proxy.createTenant();
    const both = await Promise.allSettled([1, 2].map(() => admin.rotate(callerOf(first), {}, signal)));
    const states = both.map(({ status }) => status).sort();
    expect(states).toEqual(['fulfilled', 'rejected']);
  });
});

describe('a revoked key', () => {
  let revoked: TestTenant;

  beforeAll(async () => {
    const first = await bench.proxy.createTenant();
    revoked = usable(await admin.create(callerOf(first), {}, signal));
    expect((await put(revoked, 'still')).status).toBe(200);
    await admin.revoke({ tenant: revoked.tenant, slot: callerOf(revoked).slot }, signal);
    now += 1000 * KEYRING_TTL_SECONDS;
  });

  test.each(OPERATIONS.map((operation) => [operation.name, operation] as const))(
    '%s is refused',
    async (_, operation) => {
      const { method, level, subresources = [], copySource } = operation.selector;
      const path =
        level === 'service' ? '/' : level === 'bucket' ? `/${bench.bucket}` : objectPath(bench.bucket, 'object');
      const headers: Header[] = copySource === true ? [['x-amz-copy-source', objectPath(bench.bucket, 'object')]] : [];
      const mark = bench.backend.requests.length;
      const reply =
        operation.body === 'form'
          ? await postForm(revoked)
          : await bench.send(at({ method, path, query: subresources.join('&'), headers }), revoked);
      expect([operation.name, reply.status]).toEqual([operation.name, 403]);
      if (method !== 'HEAD') expect(reply.code).toBe('InvalidAccessKeyId');
      // The keyring may be read again; nothing of the bucket is touched.
      expect(bench.backend.since(mark, bench.bucket)).toEqual([]);
    },
  );

  function postForm(key: TestTenant) {
    const form = signedForm({ bucket: bench.bucket, key: 'object', content: 'x', date: new Date(now) }, key);
    const headers: Header[] = [['host', new URL(bench.proxy.endpoint).host], ...form.headers];
    return sendRaw(bench.proxy.endpoint, { method: 'POST', target: form.path, headers, body: form.body });
  }
});

describe('derivations', () => {
  test('a cold tenant with a slow KDF costs one for a hundred first requests at once', async () => {
    const first = await bench.proxy.createTenant();
    const slow = usable(await admin.create(callerOf(first), { kdf: DEFAULT_KDFS.argon2id }, signal));
    expect((await put(first, 'data')).status).toBe(200);
    now += 1000 * KEYRING_TTL_SECONDS;
    const before = processKdfRunner.runs;
    const replies = await Promise.all(Array.from({ length: 100 }, () => get(slow)));
    expect(new Set(replies.map(({ status }) => status))).toEqual(new Set([200]));
    expect(processKdfRunner.runs - before).toBe(1);
  });

  test('a wrong secret, and an id that was made up, cost none', async () => {
    const first = await bench.proxy.createTenant();
    const before = processKdfRunner.runs;
    const wrong = [
      { ...first, secretAccessKey: `${first.secretAccessKey.slice(0, -1)}_` },
      { ...first, accessKeyId: 'SGRKAAAAAAAAAAAAAAAA' },
      { ...first, accessKeyId: `SG1${'A'.repeat(104)}` },
    ];
    for (const key of wrong) expect((await get(key)).status).toBe(403);
    expect(processKdfRunner.runs).toBe(before);
  });
});

test('a registered access key id signs as any other', async () => {
  const first = await bench.proxy.createTenant();
  expect((await put(first, 'short id')).status).toBe(200);
  const short = usable(await admin.create(callerOf(first), { registered: true }, signal));
  expect(short.accessKeyId).toHaveLength(20);
  for (const proxy of [bench.proxy, replica]) expect((await get(short, proxy)).body.toString()).toBe('short id');
  await admin.revoke({ tenant: short.tenant, slot: await slotOf(short) }, signal);
  now += 1000 * KEYRING_TTL_SECONDS;
  for (const proxy of [bench.proxy, replica]) expect((await get(short, proxy)).code).toBe('InvalidAccessKeyId');
  expect(JSON.stringify(bench.proxy.log)).not.toContain(short.accessKeyId);
});

async function slotOf(key: TestTenant): Promise<string> {
  const stored = await bench.proxy.state.get(`keyrings/${key.tenant}.json`, signal);
  const { slots } = JSON.parse(stored?.body.toString() ?? '') as { slots: { id: string; registeredIds: string[] }[] };
  return slots.find(({ registeredIds }) => registeredIds.includes(key.accessKeyId))?.id ?? '';
}

test('deleting a tenant aborts its uploads in progress, at the store too, and leaves those of others', async () => {
  const [mine, theirs] = [await bench.proxy.createTenant(), await bench.proxy.createTenant()];
  const begin = async (key: TestTenant) => {
    const path = objectPath(bench.bucket, `upload of ${key.tenant}`);
    const created = await bench.send(at({ method: 'POST', path, query: 'uploads' }), key);
    const uploadId = /<UploadId>([^<]+)/.exec(created.body.toString())?.[1] ?? '';
    const query = `partNumber=1&uploadId=${encodeURIComponent(uploadId)}`;
    const part = await bench.send(at({ method: 'PUT', path, query, body: 'part' }), key);
    expect(part.status).toBe(200);
    return { path, query: `uploadId=${encodeURIComponent(uploadId)}` };
  };
  await begin(mine);
  const kept = await begin(theirs);
  const uploads = async () => {
    const names = new Set<string>();
    for await (const name of bench.proxy.state.list('uploads/', signal)) names.add(name.split('/')[1] ?? '');
    return names.size;
  };
  expect(await uploads()).toBe(2);
  const deleted = await deleteTenant(deps, bench.backend, mine.tenant, signal);
  expect(deleted).toEqual({ keys: 1, uploads: 1 });
  expect(await uploads()).toBe(1);
  expect((await bench.send(at({ method: 'GET', ...kept }), theirs)).status).toBe(200);
  now += 1000 * KEYRING_TTL_SECONDS;
  expect((await get(mine)).code).toBe('InvalidAccessKeyId');
  const list = await bench.send(at({ method: 'GET', path: `/${bench.bucket}`, query: 'uploads' }), theirs);
  expect([...list.body.toString().matchAll(/<UploadId>/g)]).toHaveLength(1);
});

test('objects of a tenant are counted by what their metadata say', async () => {
  const [mine, theirs] = [await bench.proxy.createTenant(), await bench.proxy.createTenant()];
  const store = (key: TestTenant, name: string) =>
    bench.send(at({ method: 'PUT', path: objectPath(bench.bucket, name), body: 'x'.repeat(100) }), key);
  for (const name of ['a b+ü%.txt', '..', '//', 'n']) expect((await store(mine, name)).status).toBe(200);
  await store(theirs, 'other');
  const o = { backend: bench.backend, signal, stateBucket: 'sealgate-state' };
  const counted = await countObjects(o, mine.tenant);
  expect(counted.objects).toBe(4);
  expect(counted.bytes).toBeGreaterThan(4 * 100);
  expect(await countObjects(o, 'ab'.repeat(12))).toEqual({ objects: 0, bytes: 0 });
});
