/**
 * Protects: an operator who sets, shows and lists which ETags buckets show gets what the servers go by; `show --count` tells, with a
 * tenant's key, which of its versions have no MD5, and without one only how many are sealed.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bucketCommand } from '../../../proxy/cli/bucket.ts';
import { sealKeyCommand } from '../../../proxy/cli/seal-key.ts';
import { SealKeys } from '../../../proxy/keyring/access-keys/seal-keys.ts';
import { processKdfRunner } from '../../../proxy/keyring/slots/kdf.ts';
import { type Bench, openBench } from '../../helpers/bench.ts';
import { storeDirectly } from '../../helpers/stored.ts';
import { ok, put } from '../etags/harness.ts';
import { into, json } from './harness.ts';

const signal = AbortSignal.timeout(300_000);
let bench: Bench;
let clock = Date.now();
beforeAll(async () => {
  bench = await openBench({ now: () => new Date(clock) });
});
afterAll(() => bench.close());

const depsOf = (sealKeys = bench.proxy.sealKeys) => ({
  state: bench.proxy.state,
  sealKeys,
  record: () => {},
  now: () => new Date(clock),
  runner: processKdfRunner,
});

function run(args: readonly string[], o: { credentials?: boolean; legacy?: 'allow' | 'deny' } = {}) {
  const { accessKeyId, secretAccessKey } = bench.tenant;
  const environment: NodeJS.ProcessEnv =
    o.credentials === true ? { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } : {};
  const storage = { backend: bench.backend, state: bench.proxy.state };
  const config = { etags: 'md5' as const, legacy: { kind: o.legacy ?? 'deny' } as const };
  return into((output) => bucketCommand(args, { ...output, deps: depsOf(), storage, config, environment, signal }));
}

describe('sealgate bucket', () => {
  it('shows the default until a record is set, and lists those that have one', async () => {
    const { bucket } = bench;
    expect((await run(['show', bucket])).out).toEqual([
      `bucket      ${bucket}`,
      'etags       md5, by SEALGATE_ETAGS: the bucket has no record',
    ]);
    expect((await run(['list'])).out).toEqual([]);
    const set = await run(['set', bucket, '--etags', 'opaque']);
    expect(set).toMatchObject({
      code: 0,
      out: [`bucket ${bucket} shows opaque: the store's own ETags; every server follows within 60 s`],
      err: [],
    });
    expect((await run(['show', bucket])).out.slice(1, 2)).toEqual(["etags       opaque: the store's own ETags"]);
    expect(json(await run(['list', '--json']))).toMatchObject({
      bucket,
      status: 'ok',
      record: { etags: 'opaque', generation: 1 },
    });
    expect((await run(['list'])).out[0]).toMatch(new RegExp(`^${bucket}  opaque  updated .*  generation 1  seal key `));
  });

  it('says what opaque ETags cost where legacy objects are allowed', async () => {
    const { err } = await run(['set', bench.bucket, '--etags', 'opaque'], { legacy: 'allow' });
    expect(err.join()).toMatch(/look up every object/);
  });

  it('refuses what is no bucket, the state bucket, no mode, and a key without --count', async () => {
    for (const [args, message] of [
      [['set', 'a/b', '--etags', 'md5'], /NAME is the name of a bucket/],
      [['show', 'sealgate-state'], /The state bucket has no objects/],
      [['set', bench.bucket], /--etags is md5 or opaque/],
      [['set', bench.bucket, '--etags', 'MD5'], /--etags is md5 or opaque/],
      [['show', bench.bucket, '--credentials', 'x'], /--credentials needs --count/],
      [['shw'], /Unknown command 'shw'. Did you mean 'show'/],
    ] as const) {
      const { code, err } = await run(args);
      expect([code, err.join('\n')]).toEqual([2, expect.stringMatching(message)]);
    }
  });

  it('counts versions sealed without an MD5 with a key of their tenant, and says what it cannot tell without', async () => {
    await run(['set', bench.bucket, '--etags', 'opaque']);
    clock += 61_000;
    for (const key of ['a', 'b']) await ok(put(bench, key, Buffer.from('without')));
    await run(['set', bench.bucket, '--etags', 'md5']);
    clock += 61_000;
    await ok(put(bench, 'c', Buffer.from('with')));
    await storeDirectly(bench.backend.inner, { bucket: bench.bucket, key: 'legacy', body: Buffer.alloc(100) });
    const other = await bench.proxy.createTenant();
    await ok(bench.send({ method: 'PUT', path: `/${bench.bucket}/other`, body: 'x' }, other));
    expect((await run(['show', bench.bucket, '--count'])).out.slice(-2)).toEqual([
      'versions    4 sealed, 1 not sealed',
      'MD5s        not told without a key of the tenant: --credentials',
    ]);
    expect((await run(['show', bench.bucket, '--count'], { credentials: true })).out.at(-1)).toBe(
      "MD5s        of the tenant's, 1 have one, 2 were sealed without, 0 do not open",
    );
    const counted = json(await run(['show', bench.bucket, '--count', '--json'], { credentials: true })).counted;
    expect(counted).toEqual({ sealed: 4, legacy: 1, ofTenant: { withMd5: 1, withoutMd5: 2, unreadable: 0 } });
  });

  it('says that a record does not verify, and sets it again only when asked', async () => {
    const name = `buckets/${bench.bucket}.json`;
    await bench.proxy.state.replace(name, Buffer.from('{}'), signal);
    expect(await run(['list'])).toMatchObject({ code: 1, out: [expect.stringMatching(/TAMPERED/)] });
    expect(await run(['show', bench.bucket])).toMatchObject({ code: 1, err: [expect.stringMatching(/malformed/)] });
    expect((await run(['set', bench.bucket, '--etags', 'md5'])).code).toBe(1);
    expect((await run(['set', bench.bucket, '--etags', 'md5', '--replace-damaged'])).code).toBe(0);
    expect((await run(['list'])).code).toBe(0);
  });

  it('its records count for the seal key that signed them, and move with resign', async () => {
    const [one] = bench.proxy.sealKeys.all;
    const [two] = SealKeys.parse(SealKeys.generate()).all;
    if (one === undefined || two === undefined) throw new Error('There are two seal keys.');
    const deps = depsOf(new SealKeys([two, one]));
    const seal = (args: readonly string[]) =>
      into((output) => sealKeyCommand(args, { ...output, deps, handOverAudit: async () => {}, signal }));
    const status = async () => (await seal(['status', '--json'])).out.map((line) => JSON.parse(line));
    expect((await status()).map(({ kid, buckets }) => [kid, buckets])).toEqual([
      [two.kid, 0],
      [one.kid, 1],
    ]);
    expect((await seal(['resign'])).code).toBe(0);
    expect((await status()).map(({ kid, buckets }) => [kid, buckets])).toEqual([
      [two.kid, 1],
      [one.kid, 0],
    ]);
  });
});
