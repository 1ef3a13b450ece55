// Protects: SEALGATE_LAST_USED in a running proxy. A use is written beside the requests and shown over IAM; a state that does not
// take the record delays and fails none; and while it is off, nothing is written or read for it.
import { afterEach, describe, expect, test } from 'vitest';
import { unsealAccessKeyId } from '../../proxy/keyring/access-keys/access-key-id.ts';
import { lastUsedName, sealLastUsed } from '../../proxy/keyring/uses/last-used.ts';
import { collectOrphanedUses } from '../../proxy/keyring/uses/orphaned-uses.ts';
import { type Bench, openBench, temporaryStore } from '../helpers/bench.ts';
import { sendQuery } from '../helpers/query-api.ts';

let bench: Bench;
afterEach(() => bench.close());

const signal = AbortSignal.timeout(30_000);
const ON = { config: { lastUsed: 'day', region: 'eu-west-9' } } as const;
const today = () => new Date().toISOString().slice(0, 10);
const put = (key: string) => bench.send({ method: 'PUT', path: `/${bench.bucket}/${key}`, body: 'content' });
const isAboutUses = ({ key }: { readonly key?: string | undefined }) => key?.startsWith('used/') === true;
const uses = () => bench.backend.requests.filter(isAboutUses);

function ownSlot(): { tenant: string; slot: string } {
  const { tenant, slot } = unsealAccessKeyId(bench.tenant.accessKeyId, bench.proxy.sealKeys);
  return { tenant, slot };
}

/** Resolves with the store's answer to the next write of a record. */
function nextWrite(): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<number>();
  bench.backend.intercept = async (request, next) => {
    const response = await next(request);
    if (isAboutUses(request) && request.method === 'PUT') resolve(response.status);
    return response;
  };
  return promise;
}

async function lastUsed() {
  const AccessKeyId = bench.tenant.accessKeyId;
  const parameters = { Action: 'GetAccessKeyLastUsed', AccessKeyId };
  const { root, error } = await sendQuery(bench.proxy.endpoint, bench.tenant, { parameters });
  const used = root.child('GetAccessKeyLastUsedResult')?.child('AccessKeyLastUsed');
  return [error, used?.value('LastUsedDate'), used?.value('ServiceName'), used?.value('Region')];
}

describe('switched on', () => {
  test('a use is written once and shown, to an operator’s and to IAM’s client', async () => {
    bench = await openBench(ON);
    const before = today();
    const written = nextWrite();
    expect((await put('a')).status).toBe(200);
    expect(await written).toBe(200);
    for (const key of ['b', 'c', 'd']) expect((await put(key)).status).toBe(200);
    // Midnight may have passed meanwhile.
    const days = [before, today()].map((day) => `${day}T00:00:00Z`);
    const [error, date, ...rest] = await lastUsed();
    expect([error, rest]).toEqual(['', ['s3', 'eu-west-9']]);
    expect(days).toContain(date);
    expect(uses().filter(({ method }) => method === 'PUT').length).toBe(new Set(days).size);
  });

  test('a request that is refused for want of a grant is a use; one with a wrong signature is none', async () => {
    bench = await openBench(ON);
    const path = `/${bench.bucket}/a`;
    const wrong = { ...bench.tenant, secretAccessKey: 'wrong' };
    expect((await bench.send({ method: 'GET', path }, wrong)).code).toBe('SignatureDoesNotMatch');
    const narrow = await bench.proxy.createTenant([{ bucket: 'other', prefix: '', access: 'read-only' }]);
    const written = nextWrite();
    expect((await bench.send({ method: 'GET', path }, narrow)).code).toBe('AccessDenied');
    expect(await written).toBe(200);
    expect(new Set(uses().map(({ key }) => key.split('/')[1]))).toEqual(new Set([narrow.tenant]));
  });

  test('requests do not wait for a state that hangs, nor fail with one that fails', async () => {
    bench = await openBench(ON);
    const hangs = Promise.withResolvers<void>();
    bench.backend.intercept = async (request, next) => {
      if (isAboutUses(request)) {
        await hangs.promise;
        throw new Error('broken in a new way');
      }
      return next(request);
    };
    expect((await put('while-it-hangs')).status).toBe(200);
    expect(uses()).toHaveLength(1);
    hangs.resolve();
    expect((await put('after-it-failed')).status).toBe(200);
    expect((await bench.send({ method: 'GET', path: `/${bench.bucket}/while-it-hangs` })).body.toString()).toBe(
      'content',
    );
    expect(uses()).toHaveLength(1);
    await bench.close();
    const warned = bench.proxy.log.filter(({ msg }) => msg === 'the use of a key was not noted');
    expect(warned).toMatchObject([{ ...ownSlot(), level: 'warn' }]);
    expect(JSON.stringify(warned)).not.toContain(bench.tenant.accessKeyId);
    bench = await openBench();
  });

  test('a record that was made up is not shown, and told of', async () => {
    bench = await openBench(ON);
    const of = ownSlot();
    const forged = sealLastUsed({ ...of, slot: '00000000' }, '2020-01-01', bench.proxy.sealKeys.active);
    await bench.proxy.state.replace(lastUsedName(of), forged, signal);
    // Nothing takes its place while this lasts.
    bench.backend.intercept = async (request, next) => {
      if (isAboutUses(request) && request.method === 'PUT') throw new Error('no');
      return next(request);
    };
    expect(await lastUsed()).toEqual(['', undefined, 'N/A', 'N/A']);
    expect(bench.events('last-used-tampered').length).toBeGreaterThan(0);
  });

  test('two proxies on one store write one record between them', async () => {
    const store = await temporaryStore();
    bench = await openBench({ ...ON, store });
    const other = await openBench({
      ...ON,
      store: { ...store, close: async () => {} },
      sealKeys: bench.proxy.sealKeys,
    });
    try {
      const path = `/${bench.bucket}/a`;
      await Promise.all([
        put('a'),
        other.send({ method: 'PUT', path: `${path}b`, body: 'b' }, bench.tenant),
        put('c'),
        other.send({ method: 'PUT', path: `${path}d`, body: 'd' }, bench.tenant),
      ]);
    } finally {
      await other.proxy.close();
    }
    const [error, date] = await lastUsed();
    expect([error, date?.endsWith('T00:00:00Z')]).toEqual(['', true]);
    const names: string[] = [];
    for await (const name of bench.proxy.state.list('used/', signal)) names.push(name);
    expect(names).toEqual([lastUsedName(ownSlot())]);
  });
});

describe('switched off', () => {
  test('nothing is read or written for it, and what was written before is shown', async () => {
    bench = await openBench();
    for (const key of ['a', 'b']) expect((await put(key)).status).toBe(200);
    expect(uses()).toEqual([]);
    expect(await lastUsed()).toEqual(['', undefined, 'N/A', 'N/A']);
    const record = sealLastUsed(ownSlot(), '2020-02-29', bench.proxy.sealKeys.active);
    await bench.proxy.state.replace(lastUsedName(ownSlot()), record, signal);
    expect(await lastUsed()).toEqual(['', '2020-02-29T00:00:00Z', 's3', 'us-east-1']);
  });
});

describe('sealgate gc', () => {
  test('removes records of keys and tenants that are gone, and no others', async () => {
    bench = await openBench();
    const { state, sealKeys } = bench.proxy;
    const own = ownSlot();
    const gone = { tenant: 'f'.repeat(24), slot: '00000001' };
    const tampered = await bench.proxy.createTenant();
    const kept = [own, { tenant: tampered.tenant, slot: '00000002' }];
    const orphans = [{ ...own, slot: '00000003' }, gone, { ...gone, slot: '00000002' }];
    for (const of of [...kept, ...orphans]) {
      await state.replace(lastUsedName(of), sealLastUsed(of, '2020-01-01', sealKeys.active), signal);
    }
    await state.replace('used/a b+ü%/..', Buffer.from('x'), signal);
    await state.replace(`keyrings/${tampered.tenant}.json`, Buffer.from('{}'), signal);
    const names = async () => {
      const found: string[] = [];
      for await (const name of state.list('used/', signal)) found.push(name);
      return found.sort();
    };
    const all = await names();
    const sorted = (list: readonly object[]) => list.map((one) => JSON.stringify(one)).sort();
    for (const dryRun of [true, false]) {
      const found = await Array.fromAsync(collectOrphanedUses({ state, sealKeys, dryRun, signal }));
      expect(sorted(found)).toEqual(sorted(orphans));
      if (dryRun) expect(await names()).toEqual(all);
    }
    expect(await names()).toEqual([...kept.map(lastUsedName), 'used/a b+ü%/..'].sort());
  });
});
