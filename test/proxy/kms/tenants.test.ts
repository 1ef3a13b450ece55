/**
 * Protects: what a KMS promises about a tenant's data in a running proxy. One call for a thousand requests; a key that is switched off
 * ends requests and sessions within the cache's time; secrets are bound to tenant and slot; no key, role or escrow gets round a
 * required KMS; wrapping again touches no object and no request.
 */
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { ChangeUncertain, openKeyring, openKeyringByKms } from '../../../proxy/keyring/admin/change-keyring.ts';
import { KeyAdmin } from '../../../proxy/keyring/admin/key-admin.ts';
import { KmsRequired } from '../../../proxy/keyring/admin/key-errors.ts';
import { WeakerSlots } from '../../../proxy/keyring/admin/kms-admin.ts';
import { RoleAdmin } from '../../../proxy/keyring/admin/role-admin.ts';
import { TenantAdmin } from '../../../proxy/keyring/admin/tenant-admin.ts';
import { generateEscrowKey } from '../../../proxy/keyring/slots/escrow-key.ts';
import { kmsSlots, type SlotOfKms } from '../../../proxy/keyring/slots/slot-types.ts';
import type { Keyring } from '../../../proxy/keyring/state/document.ts';
import { keyringName } from '../../../proxy/keyring/state/records.ts';
import { KmsSecrets, NO_KMS } from '../../../proxy/kms/kms-secrets.ts';
import { openOffline } from '../../../proxy/offline/open-keyring.ts';
import { beginEpoch } from '../../../proxy/rotation/begin-epoch.ts';
import { drain } from '../../../proxy/rotation/drain.ts';
import { FakeKms } from '../../helpers/fake-kms.ts';
import { roleTrust } from '../../helpers/issuer.ts';
import { openKmsBench } from '../../helpers/kms-bench.ts';
import type { TestTenant } from '../../helpers/proxy.ts';
import { sendQuery } from '../../helpers/query-api.ts';
import { sessionOf } from '../../helpers/sessions.ts';

const signal = () => AbortSignal.timeout(60_000);

let kms: FakeKms;
let on: Awaited<ReturnType<typeof openKmsBench>>;
beforeAll(async () => {
  kms = new FakeKms();
  on = await openKmsBench({ provider: kms });
});
afterAll(() => on.close());

async function made(more: { requireKms?: boolean } = {}): Promise<TestTenant> {
  const tenant = await on.createTenant(more);
  expect(await on.put(tenant)).toBe(200);
  return tenant;
}

const slotOf = (keyring: Keyring): SlotOfKms => {
  const [slot] = kmsSlots(keyring);
  if (slot === undefined) throw new Error('The keyring has no slot with a KMS.');
  return slot;
};

test('a thousand requests cost one call to the KMS', async () => {
  const tenant = await on.createTenant();
  kms.unwraps = 0;
  await on.put(tenant);
  const one = async () => {
    for (let i = 0; i < 100; i += 1) expect(await on.get(tenant)).toBe('200');
  };
  await Promise.all(Array.from({ length: 10 }, one));
  expect(kms.unwraps).toBe(1);
  // A keyring that is read again and is the same opens by what is held.
  on.expireKeyrings();
  expect(await on.get(tenant)).toBe('200');
  expect(kms.unwraps).toBe(1);
});

describe('a key that is switched off at the KMS', () => {
  test('serves to the end of the cache, then 503 and nothing more, sessions included', async () => {
    const own = await openKmsBench({ provider: new FakeKms() });
    try {
      const provider = own.bench;
      const tenant = await own.createTenant();
      expect(await own.put(tenant)).toBe(200);
      const session = { ...(await sessionOf(provider.proxy.endpoint, tenant)), tenant: tenant.tenant };
      const fake = own.provider as FakeKms;
      expect([await own.get(tenant), await own.get(session)]).toEqual(['200', '200']);
      fake.failing = 'disabled';
      own.clock.aheadMs = 200_000;
      expect([await own.get(tenant), await own.get(session)]).toEqual(['200', '200']);
      own.clock.aheadMs = 301_000;
      expect([await own.get(tenant), await own.get(session)]).toEqual([
        '503 ServiceUnavailable',
        '503 ServiceUnavailable',
      ]);
      own.clock.aheadMs = 600_000;
      expect([await own.get(tenant), await own.get(session)]).toEqual([
        '503 ServiceUnavailable',
        '503 ServiceUnavailable',
      ]);
      await expect(sessionOf(provider.proxy.endpoint, tenant)).rejects.toThrow(/ServiceUnavailable/);
      // Others are served.
      expect((await provider.send({ method: 'GET', path: '/' })).status).toBe(200);
      const text = JSON.stringify(provider.proxy.log);
      expect(text).toContain('a key service did not agree');
      expect(text).toContain('disabled');
      fake.failing = undefined;
      own.clock.aheadMs = 602_000;
      expect([await own.get(tenant), await own.get(session)]).toEqual(['200', '200']);
    } finally {
      await own.close();
    }
  });
});

test('a clock that was put back does not make what the KMS opened last longer', async () => {
  const own = await openKmsBench({ provider: new FakeKms() });
  try {
    const tenant = await own.createTenant();
    expect(await own.put(tenant)).toBe(200);
    (own.provider as FakeKms).failing = 'disabled';
    own.clock.aheadMs = -600_000;
    expect(await own.get(tenant)).toBe('503 ServiceUnavailable');
  } finally {
    await own.close();
  }
});

describe('secrets are bound', () => {
  async function exchanged(from: TestTenant, to: TestTenant): Promise<string> {
    const source = slotOf(await on.keyring(from));
    const keyring = await on.keyring(to);
    const slots = keyring.slots.map((slot) => (slot.id === slotOf(keyring).id ? { ...slot, kms: source.kms } : slot));
    await on.overwrite({ ...keyring, slots: slots as Keyring['slots'] });
    on.expireKeyrings();
    return on.get(to);
  }

  test('to the tenant: one of another tenant is refused, and is an event', async () => {
    const [one, two] = [await made(), await made()];
    expect(await exchanged(one, two)).toBe('403 AccessDenied');
    const events = on.bench.events('keyring-tampered');
    expect(events.at(-1)?.['tenant']).toBe(two.tenant);
    expect(await on.get(one)).toBe('200');
  });

  test('to the slot: one of another slot of the same tenant is refused', async () => {
    const first = await made();
    const issued = await new KeyAdmin(on.deps).create(on.keyOf(first), {}, signal());
    const second = {
      tenant: first.tenant,
      accessKeyId: issued.accessKeyId,
      secretAccessKey: issued.secretAccessKey ?? '',
    };
    expect(await on.get(second)).toBe('200');
    const keyring = await on.keyring(first);
    const [a, b] = kmsSlots(keyring);
    const swapped = keyring.slots.map((slot) => ({ ...slot, kms: slot.id === a?.id ? b?.kms : a?.kms }));
    await on.overwrite({ ...keyring, slots: swapped as Keyring['slots'] });
    on.expireKeyrings();
    expect([await on.get(first), await on.get(second)]).toEqual(['403 AccessDenied', '403 AccessDenied']);
  });

  test('by the commitment: another secret that S had wrapped for the very slot does not open', async () => {
    const tenant = await made();
    const keyring = await on.keyring(tenant);
    const slot = slotOf(keyring);
    const owner = { purpose: slot.type, tenant: tenant.tenant, slot: slot.id };
    const other = await on.deps.kms?.seal(Buffer.alloc(32, 1), on.key, owner, signal());
    await on.overwrite({ ...keyring, slots: [{ ...slot, kms: other }] as Keyring['slots'] });
    on.expireKeyrings();
    expect(await on.get(tenant)).toBe('403 InvalidAccessKeyId');
  });
});

describe('a required KMS', () => {
  test('is inherited by keys that a key makes for itself, and refuses roles and escrows', async () => {
    const tenant = await made({ requireKms: true });
    const { endpoint } = on.bench.proxy;
    const created = await sendQuery(endpoint, tenant, { parameters: { Action: 'CreateAccessKey' } });
    expect(created.status).toBe(200);
    const rotated = await new KeyAdmin(on.deps).rotate(on.keyOf(tenant), {}, signal());
    expect(rotated.replaced).toHaveLength(8);
    const keyring = await on.keyring(tenant);
    expect(keyring.slots.map(({ type }) => type)).toEqual(['api-key+kms', 'api-key+kms']);
    const caller = on.keyOf({ ...tenant, accessKeyId: rotated.accessKeyId });
    const role = new RoleAdmin(on.deps).create(caller, { name: 'ci', trust: roleTrust(), managed: false }, signal());
    await expect(role).rejects.toThrow(KmsRequired);
  });

  test('stays with a key that is rotated by another key, which has none', async () => {
    const plain = await on.bench.proxy.createTenant();
    const admin = new KeyAdmin(on.deps);
    const caller = on.keyOf(plain);
    const { slot } = await admin.create(caller, { kms: on.key }, signal());
    await admin.rotate(caller, { slot }, signal());
    expect((await on.keyring(plain)).slots.map(({ type }) => type).sort()).toEqual(['api-key', 'api-key+kms']);
  });

  test('keeps a server that escrows from escrowing the tenant, and no other', async () => {
    const provider = new FakeKms();
    const own = await openKmsBench({ provider, config: { escrowPublicKey: generateEscrowKey().publicKey } });
    try {
      const required = await own.createTenant({ requireKms: true });
      const other = await own.createTenant();
      expect([await own.put(required), await own.put(other)]).toEqual([200, 200]);
      await vi.waitFor(() =>
        expect(own.bench.events('escrow-sealed').map((event) => event['tenant'])).toContain(other.tenant),
      );
      expect((await own.keyring(required)).slots.map(({ type }) => type)).toEqual(['api-key+kms']);
    } finally {
      await own.close();
    }
  });

  test('cannot be taken away, nor a slot called another type, by S alone', async () => {
    const tenant = await made({ requireKms: true });
    const before = await on.keyring(tenant);
    const { requireKms: _required, ...without } = before;
    await on.overwrite(without);
    on.expireKeyrings();
    expect(await on.get(tenant)).toBe('403 AccessDenied');
    const { kms: _kms, ...bare } = slotOf(before);
    const weaker = { ...without, generation: before.generation + 5, slots: [{ ...bare, type: 'api-key' }] };
    await on.overwrite(weaker as unknown as Keyring);
    on.expireKeyrings();
    expect(await on.get(tenant)).toBe('403 InvalidAccessKeyId');
  });

  test('is refused while a way in is weaker, and names it', async () => {
    const plain = on.bench.tenant;
    const error = await on.admin.require(on.keyOf(plain), true, signal()).catch((cause: unknown) => cause);
    expect(error).toBeInstanceOf(WeakerSlots);
    expect((error as Error).message).toContain(on.keyOf(plain).slot);
  });
});

test('a tenant is converted: its key gets a KMS, and a deep rotation leaves nothing that opens without', async () => {
  const tenant = await on.bench.proxy.createTenant();
  expect(await on.put(tenant)).toBe(200);
  const session = { ...(await sessionOf(on.bench.proxy.endpoint, tenant)), tenant: tenant.tenant };
  const caller = on.keyOf(tenant);
  await on.admin.attach(caller, on.key, signal());
  on.expireKeyrings();
  // The same access key id; what was issued from the key before ended.
  expect([await on.get(tenant), await on.get(session)]).toEqual(['200', '400 InvalidToken']);
  const opened = await openKeyring(on.deps, caller, signal());
  const wishes = { keys: [caller], keepKey: true, dropSlots: true, keep: async () => {} };
  const begun = await beginEpoch(on.deps, opened, wishes, signal());
  on.expireKeyrings();
  expect(await on.put(tenant, 'two')).toBe(200);
  // The long part of a rotation needs no key of the tenant: a slot that the KMS opens alone goes on with it.
  await on.admin.add(caller, { key: on.key, label: 'rotation' }, signal());
  const unattended = await openKeyringByKms(on.deps, tenant.tenant, signal());
  expect([...unattended.roots.keys()]).toEqual([1, 2]);
  const { backend, capabilities } = on.bench;
  const settled = { settledAfterMs: 0, wait: false, purgeNoncurrent: false };
  const drained = await drain(on.deps, unattended, { backend, capabilities, ...settled }, signal());
  expect([drained.blockers, drained.retired, begun.epoch]).toEqual([[], [1], 2]);
  on.expireKeyrings();
  expect(await on.get(tenant, 'two')).toBe('200');
  const types = (await on.keyring(tenant)).slots.map(({ type }) => type);
  expect(types.sort()).toEqual(['api-key+kms', 'kms']);
});

test('a slot that the KMS opens alone opens the tenant unattended, is labelled, gives no session, and can be removed', async () => {
  const tenant = await made();
  const { slot } = await on.admin.add(on.keyOf(tenant), { key: on.key, label: 'verify' }, signal());
  const opened = await openKeyringByKms(on.deps, tenant.tenant, signal());
  expect([opened.slot.id, opened.roots.size]).toEqual([slot, 1]);
  const rows = [];
  for await (const row of new TenantAdmin(on.deps).list()) if (row.tenant === tenant.tenant) rows.push(row);
  expect(rows).toMatchObject([{ serverManaged: true }]);
  kms.failing = 'denied';
  const other = new KmsSecrets({ providers: [kms] });
  await expect(openKeyringByKms({ ...on.deps, kms: other }, tenant.tenant, signal())).rejects.toThrow(/does not let/);
  kms.failing = undefined;
  await on.admin.remove({ tenant: tenant.tenant, slot }, signal());
  on.expireKeyrings();
  expect(await on.get(tenant)).toBe('200');
  await expect(openKeyringByKms(on.deps, tenant.tenant, signal())).rejects.toThrow(/no slot that a KMS opens alone/);
});

test('offline, an API key opens its keyring with the KMS, and without it the reason is said', async () => {
  const tenant = await made();
  const body = (await on.bench.proxy.state.get(keyringName(tenant.tenant), signal()))?.body ?? Buffer.alloc(0);
  const open = (secrets: KmsSecrets) =>
    openOffline({ body, secretAccessKey: tenant.secretAccessKey, sealKeys: undefined, kms: secrets }, signal());
  expect((await open(new KmsSecrets({ providers: [kms] }))).tenant.id).toBe(tenant.tenant);
  await expect(open(NO_KMS)).rejects.toThrow(/SEALGATE_KMS has no provider 'transit:fake'/);
});

describe('wrapping again', () => {
  test('takes two calls and a write, touches no object, and nobody notices', async () => {
    const tenant = await made();
    const before = await on.keyring(tenant);
    kms.rotate();
    [kms.wraps, kms.unwraps] = [0, 0];
    const { requests, result } = await on.bench.watch(() => on.admin.rewrap({ tenant: tenant.tenant }, signal()));
    expect([kms.wraps, kms.unwraps, requests.length]).toEqual([1, 1, 0]);
    expect(result.map(({ version }) => version)).toEqual([String(kms.versions.length)]);
    const after = await on.keyring(tenant);
    expect(after.generation).toBe(before.generation + 1);
    const { kms: newWrap, ...rest } = slotOf(after);
    expect(newWrap.blob).not.toBe(slotOf(before).kms.blob);
    const { kms: _old, ...same } = slotOf(before);
    expect(rest).toEqual(same);
    expect(await on.get(tenant)).toBe('200');
    on.expireKeyrings();
    kms.oldest = kms.versions.length;
    expect(await on.get(tenant)).toBe('200');
    kms.oldest = 1;
  });

  test('does not overwrite a slot that was sealed anew meanwhile', async () => {
    const tenant = await made();
    const { promise, resolve } = Promise.withResolvers<void>();
    const slow = new FakeKms();
    const racing = await openKmsBench({ provider: slow });
    try {
      const other = await racing.createTenant();
      slow.hold = promise;
      const { unwraps } = slow;
      const rewrapped = racing.admin.rewrap({ tenant: other.tenant }, signal()).catch((error: unknown) => error);
      await vi.waitFor(() => expect(slow.unwraps).toBe(unwraps + 1));
      slow.hold = Promise.resolve();
      await racing.admin.rewrap({ tenant: other.tenant }, signal());
      resolve();
      const outcome = await rewrapped;
      expect(outcome instanceof ChangeUncertain).toBe(false);
      expect(String(outcome)).toContain('at the same time');
      expect(await racing.put(other)).toBe(200);
    } finally {
      await racing.close();
    }
    expect(await on.get(tenant)).toBe('200');
  });
});
