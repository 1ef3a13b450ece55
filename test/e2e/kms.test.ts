/**
 * Protects: tenants whose keys need a real KMS, on OpenBao, on local-kms in the place of AWS KMS, and on SoftHSM in the place of an HSM.
 * Requests open by one call; another owner is refused; a key that is switched off ends everything within the cache's time; wrapping
 * again lets old versions be switched off; a KMS that says nothing is a 503 that says why.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { kmsSlots } from '../../proxy/keyring/slots/slot-types.ts';
import type { Keyring } from '../../proxy/keyring/state/document.ts';
import type { KmsFailure, KmsOwner, KmsProvider } from '../../proxy/kms/provider.ts';
import { probeProvider } from '../../proxy/startup/check-kms.ts';
import { openKmsBench } from '../helpers/kms-bench.ts';
import { sessionOf } from '../helpers/sessions.ts';
import {
  baoUnderTest,
  type KmsUnderTest,
  localKmsUnderTest,
  softHsmUnderTest,
  startBao,
} from './support/kms-servers.ts';

const signal = () => AbortSignal.timeout(60_000);
const OWNER: KmsOwner = { purpose: 'api-key+kms', tenant: 'ab'.repeat(12), slot: '01020304' };

const SERVICES: readonly (readonly [name: string, start: () => Promise<KmsUnderTest | undefined>])[] = [
  ['OpenBao', baoUnderTest],
  ['local-kms', localKmsUnderTest],
  ['SoftHSM', softHsmUnderTest],
];

/** The same provider, its calls counted. */
function counted(provider: KmsProvider) {
  const calls = { wrap: 0, unwrap: 0 };
  const counting: KmsProvider = {
    name: provider.name,
    key: provider.key,
    wrap(...args) {
      calls.wrap += 1;
      return provider.wrap(...args);
    },
    unwrap(...args) {
      calls.unwrap += 1;
      return provider.unwrap(...args);
    },
    keyState: (...args) => provider.keyState(...args),
    close: async () => {},
  };
  return { counting, calls };
}

for (const [name, start] of SERVICES) {
  const service = await start();
  describe.skipIf(service === undefined)(name, () => suite(service as KmsUnderTest));
}

function suite(service: KmsUnderTest): void {
  let on: Awaited<ReturnType<typeof openKmsBench>>;
  const { counting, calls } = counted(service.provider);

  beforeAll(async () => {
    on = await openKmsBench({ provider: counting });
  });
  afterAll(async () => {
    await on.close();
    await service.stop();
  });

  test('is found fit: it refuses another owner', async () => {
    const finding = await probeProvider(service.provider, signal());
    expect([finding.level, finding.text]).toEqual(['ok', expect.stringContaining('refuses another owner')]);
  });

  test('unwraps for the owner alone, and says of an altered secret what it says of another owner', async () => {
    const secret = Buffer.alloc(32, 5);
    const wrapped = await service.provider.wrap(secret, { key: service.provider.key, owner: OWNER }, signal());
    expect(wrapped.blob.length).toBeGreaterThan(32);
    expect(wrapped.blob.includes(secret)).toBe(false);
    expect(await service.provider.unwrap(wrapped, OWNER, signal())).toEqual(secret);
    const kind = (blob: Buffer, owner: KmsOwner) =>
      service.provider.unwrap({ ...wrapped, blob }, owner, signal()).catch((error: KmsFailure) => error.kind);
    expect(await kind(wrapped.blob, { ...OWNER, tenant: 'cd'.repeat(12) })).toBe('mismatch');
    expect(await kind(wrapped.blob, { ...OWNER, slot: 'ffffffff' })).toBe('mismatch');
    expect(await kind(wrapped.blob, { ...OWNER, purpose: 'kms' })).toBe('mismatch');
    const altered = Buffer.from(wrapped.blob);
    const at = altered.length - 5;
    altered[at] = altered[at] === 0x41 ? 0x42 : 0x41;
    expect(await kind(altered, OWNER)).toBe('mismatch');
    const missing = await service.provider
      .wrap(secret, { key: 'no-such-key', owner: OWNER }, signal())
      .catch((error: KmsFailure) => error.kind);
    // OpenBao's policy does not say what there is.
    expect(['unknown-key', 'denied']).toContain(missing);
  });

  test('a thousand requests cost one call', async () => {
    const tenant = await on.createTenant();
    calls.unwrap = 0;
    expect(await on.put(tenant)).toBe(200);
    const hundred = async () => {
      for (let i = 0; i < 100; i += 1) expect(await on.get(tenant)).toBe('200');
    };
    await Promise.all(Array.from({ length: 10 }, hundred));
    expect(calls.unwrap).toBe(1);
  });

  test('a secret of another tenant is refused', async () => {
    const [one, two] = [await on.createTenant(), await on.createTenant()];
    expect([await on.put(one), await on.put(two)]).toEqual([200, 200]);
    const [from, to] = [await on.keyring(one), await on.keyring(two)];
    const slots = to.slots.map((slot) => ({ ...slot, kms: kmsSlots(from)[0]?.kms }));
    await on.overwrite({ ...to, slots: slots as Keyring['slots'] });
    on.expireKeyrings();
    expect([await on.get(two), await on.get(one)]).toEqual(['403 AccessDenied', '200']);
  });

  test('a key that is switched off: the cache to its end, then 503 and nothing more, sessions included; and back', async () => {
    const own = await openKmsBench({ provider: counting });
    try {
      const tenant = await own.createTenant();
      expect(await own.put(tenant)).toBe(200);
      const session = { ...(await sessionOf(own.bench.proxy.endpoint, tenant)), tenant: tenant.tenant };
      const both = async () => [await own.get(tenant), await own.get(session)];
      expect(await both()).toEqual(['200', '200']);
      await service.disable();
      own.clock.aheadMs = 100_000;
      expect(await both()).toEqual(['200', '200']);
      own.clock.aheadMs = 301_000;
      expect(await both()).toEqual(['503 ServiceUnavailable', '503 ServiceUnavailable']);
      own.clock.aheadMs = 600_000;
      expect(await both()).toEqual(['503 ServiceUnavailable', '503 ServiceUnavailable']);
      await service.enable();
      own.clock.aheadMs = 605_000;
      expect(await both()).toEqual(['200', '200']);
    } finally {
      await service.enable();
      await own.close();
    }
  });

  test.skipIf(service.rotate === undefined)('wrapping again lets the old version be switched off', async () => {
    const tenant = await on.createTenant();
    expect(await on.put(tenant)).toBe(200);
    const { tenant: id } = tenant;
    const [before] = await on.admin.wraps(id, signal());
    await service.rotate?.();
    const state = await service.provider.keyState(service.provider.key, signal());
    expect(state.current).not.toBe(before?.version);
    [calls.wrap, calls.unwrap] = [0, 0];
    const [after] = await on.admin.rewrap({ tenant: id }, signal());
    expect([after?.version, calls.wrap, calls.unwrap]).toEqual([state.current, 1, 1]);
    const left = await on.createTenant();
    expect(await on.put(left)).toBe(200);
    await service.retireOld?.();
    on.clock.aheadMs += 301_000;
    expect(await on.get(tenant)).toBe('200');
  });

  test.skipIf(service.pause === undefined)(
    'a KMS that says nothing is a 503 after seconds, that says why, and is over when it answers',
    async () => {
      const own = await openKmsBench({ provider: counting });
      try {
        const tenant = await own.createTenant();
        expect(await own.put(tenant)).toBe(200);
        await service.pause?.();
        own.clock.aheadMs = 301_000;
        const began = Date.now();
        const reply = await own.bench.send({ method: 'GET', path: `/${own.bench.bucket}/${tenant.tenant}` }, tenant);
        expect([reply.status, String(reply.body)]).toEqual([
          503,
          expect.stringContaining('cannot be reached. Try again.'),
        ]);
        expect(Date.now() - began).toBeLessThan(20_000);
        // Another tenant does not wait for it.
        expect((await own.bench.send({ method: 'GET', path: '/' })).status).toBe(200);
        service.resume?.();
        own.clock.aheadMs = 310_000;
        expect(await own.get(tenant)).toBe('200');
      } finally {
        service.resume?.();
        await own.close();
      }
    },
  );
}

const bao = await startBao();
describe.skipIf(bao === undefined)("OpenBao's tokens", () => {
  const server = bao as NonNullable<typeof bao>;
  const owner = { key: 'tenants', owner: OWNER };
  const wrap = (kms: KmsProvider) =>
    kms.wrap(Buffer.alloc(32, 1), owner, signal()).then(
      () => 'ok',
      (error: KmsFailure) => error.kind,
    );
  afterAll(() => server.stop());

  test('of two seconds serve for eight: renewed, and got anew at their longest life', async () => {
    const kms = server.provider(await server.appRole('2s'), { tls: true });
    const until = Date.now() + 8_000;
    while (Date.now() < until) {
      expect(await wrap(kms)).toBe('ok');
      await setTimeout(250);
    }
  });

  test('that were revoked are replaced by a login, once', async () => {
    const kms = server.provider(await server.appRole('1h'));
    expect(await wrap(kms)).toBe('ok');
    await server.ask('PUT', 'sys/leases/revoke-prefix/auth/approle', {});
    expect(await Promise.all(Array.from({ length: 20 }, () => wrap(kms)))).toEqual(
      Array.from({ length: 20 }, () => 'ok'),
    );
  });

  test('that end, and that nothing renews, are denied, and the file of the next one is read', async () => {
    const path = join(server.directory, 'token');
    await writeFile(path, await server.token('1s', { renewable: false }));
    const kms = server.provider({ kind: 'token-file', path });
    expect(await wrap(kms)).toBe('ok');
    await setTimeout(1_500);
    expect(await wrap(kms)).toBe('denied');
    await writeFile(path, await server.token('1h'));
    expect(await wrap(kms)).toBe('ok');
  });

  test('tell a key that is soft-deleted, or gone, from a secret that was altered', async () => {
    const kms = server.provider({ kind: 'token', token: 'root-of-a-test' }, { key: 'passing' });
    await server.ask('POST', 'transit/keys/passing', { type: 'aes256-gcm96' });
    const wrapped = await kms.wrap(Buffer.alloc(32, 1), { key: 'passing', owner: OWNER }, signal());
    const kind = () =>
      kms.unwrap(wrapped, OWNER, signal()).then(
        () => 'ok',
        (error: KmsFailure) => error.kind,
      );
    await server.ask('DELETE', 'transit/keys/passing/soft-delete');
    expect(await kind()).toBe('disabled');
    await server.ask('POST', 'transit/keys/passing/soft-delete-restore', {});
    expect(await kind()).toBe('ok');
    await server.ask('POST', 'transit/keys/passing/config', { deletion_allowed: true });
    await server.ask('DELETE', 'transit/keys/passing');
    expect(await kind()).toBe('unknown-key');
  });

  test('of a policy that does not let it are denied, and a key that binds no owner is not fit', async () => {
    expect(await wrap(server.provider({ kind: 'token', token: await server.token('1h', { policy: 'default' }) }))).toBe(
      'denied',
    );
    await server.ask('POST', 'transit/keys/derived', { type: 'aes256-gcm96', derived: true });
    const { token } = { token: 'root-of-a-test' };
    const finding = await probeProvider(server.provider({ kind: 'token', token }, { key: 'derived' }), signal());
    expect([finding.level, finding.text]).toEqual(['warning', expect.stringContaining('must be of type aes256-gcm96')]);
  });
});
