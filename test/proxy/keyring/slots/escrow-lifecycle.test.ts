/**
 * Protects: escrow where it is asked for and nowhere else. New tenants have it at once; those there already after a key of
 * theirs was used, without the request noticing; a tenant whose keys were never used since stays closed to the operator; a
 * changed key replaces the old one; and recovery gives back the data, to the one private key, with everything verified.
 */
import { createSecretKey, randomBytes } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { BackendUnavailable } from '../../../../proxy/backend/backend.ts';
import { writeSecretFile } from '../../../../proxy/cli/secret-file.ts';
import { tenantRecover } from '../../../../proxy/cli/tenant-recover.ts';
import { unsealAccessKeyId } from '../../../../proxy/keyring/access-keys/access-key-id.ts';
import { type KeyringDeps, readKeyring } from '../../../../proxy/keyring/admin/change-keyring.ts';
import { withEscrowSlot } from '../../../../proxy/keyring/admin/edit-slots.ts';
import { KeyAdmin } from '../../../../proxy/keyring/admin/key-admin.ts';
import { recoverTenant } from '../../../../proxy/keyring/admin/recover-tenant.ts';
import { TenantAdmin } from '../../../../proxy/keyring/admin/tenant-admin.ts';
import {
  type EscrowPrivateKey,
  generateEscrowKey,
  renderEscrowKeyFile,
} from '../../../../proxy/keyring/slots/escrow-key.ts';
import { type EscrowSlot, escrowSlot } from '../../../../proxy/keyring/slots/escrow-slot.ts';
import { NotRecoverable } from '../../../../proxy/keyring/slots/escrowed-roots.ts';
import { processKdfRunner } from '../../../../proxy/keyring/slots/kdf.ts';
import { keySlots, slotsOfType } from '../../../../proxy/keyring/slots/slot-types.ts';
import { canonicalJson } from '../../../../proxy/keyring/state/canonical-json.ts';
import type { Keyring } from '../../../../proxy/keyring/state/document.ts';
import { slotDigest } from '../../../../proxy/keyring/state/macs.ts';
import { KeyringTampered, keyringName } from '../../../../proxy/keyring/state/records.ts';
import { MAX_KEYRING_SLOTS } from '../../../../proxy/limits.ts';
import type { SecurityEvent } from '../../../../proxy/observe/events.ts';
import { type Bench, openBench, temporaryStore } from '../../../helpers/bench.ts';
import { CREATED, resign } from '../../../helpers/keyring-fixture.ts';
import { FULL_ACCESS, startTestProxy, type TestProxy, type TestTenant } from '../../../helpers/proxy.ts';
import { sendSigned } from '../../../helpers/raw-client.ts';
import { WatchedBackend } from '../../../helpers/watched-backend.ts';
import { into } from '../../cli/harness.ts';

const key = generateEscrowKey();
const NEVER = null;
const signal = () => AbortSignal.timeout(60_000);

/** One store and one S; proxies come and go with and without the setting. */
let store: Awaited<ReturnType<typeof temporaryStore>>;
let plain: Bench;
const events: SecurityEvent[] = [];
let deps: KeyringDeps;

beforeAll(async () => {
  store = await temporaryStore();
  plain = await openBench({ store: { ...store, close: async () => {} } });
  const { state, sealKeys } = plain.proxy;
  deps = {
    state,
    sealKeys,
    record: (event) => void events.push(event),
    now: () => new Date(),
    runner: processKdfRunner,
  };
});
afterAll(async () => {
  await plain.close();
  await store.close();
});

/** A proxy with escrow on the same store, for as long as `work` takes. */
async function withEscrow<T>(
  to: EscrowPrivateKey,
  work: (proxy: TestProxy, backend: WatchedBackend) => Promise<T>,
): Promise<T> {
  const backend = new WatchedBackend(store.backend);
  const { sealKeys } = plain.proxy;
  const config = { escrowPublicKey: to.publicKey };
  const proxy = await startTestProxy({ backend, config, sealKeys, capabilities: plain.capabilities });
  try {
    return await work(proxy, backend);
  } finally {
    await proxy.close();
  }
}

const put = (proxy: TestProxy, as: TestTenant, name: string, body = `content of ${name}`) =>
  sendSigned(proxy.endpoint, as, { method: 'PUT', path: `/${plain.bucket}/${name}`, body });
const get = async (proxy: TestProxy, as: TestTenant, name: string) => {
  const reply = await sendSigned(proxy.endpoint, as, { method: 'GET', path: `/${plain.bucket}/${name}` });
  return reply.code === '' ? reply.body.toString() : reply.code;
};
/** A server that read the keyring a moment ago knows a key that was made since within a second. */
const opens = (proxy: TestProxy, as: TestTenant, name: string) =>
  vi.waitFor(async () => expect(await get(proxy, as, name)).toBe(`content of ${name}`), { timeout: 10_000 });
const eventsOf = (proxy: TestProxy, kind: string) => proxy.log.filter((line) => line['securityEvent'] === kind);
const keyringOf = async (tenant: string): Promise<Keyring> => (await readKeyring(deps, tenant, signal())).keyring;
const escrowIn = (keyring: Keyring) => slotsOfType(keyring, 'escrow')[0];
const escrowOf = async (tenant: string) => escrowIn(await keyringOf(tenant));
/** The event comes before the change, and only the keyring says that the change was made. */
const sealed = (tenant: string, by = key) =>
  vi.waitFor(async () => expect((await escrowOf(tenant))?.publicKey).toBe(by.publicKey.toString('base64')), {
    timeout: 10_000,
  });
const recover = (tenant: string, by = key) =>
  recoverTenant(deps, { tenant, key: by, grants: FULL_ACCESS, label: '', expires: NEVER }, signal());

describe('a tenant made under the setting', () => {
  test('is recovered by the private key: a new API key opens what the lost one stored', async () => {
    await withEscrow(key, async (proxy) => {
      const lost = await proxy.createTenant();
      await put(proxy, lost, 'recovered');
      expect(await escrowOf(lost.tenant)).toMatchObject({
        suite: 1,
        publicKey: key.publicKey.toString('base64'),
      });
      const found = await recover(lost.tenant);
      expect(found.tenant).toBe(lost.tenant);
      await opens(proxy, found, 'recovered');
      expect((await put(proxy, found, 'after')).status).toBe(200);
      // The keys that were there are as they were.
      expect(await get(proxy, lost, 'after')).toBe('content of after');
      expect(events.at(-1)).toMatchObject({ kind: 'tenant-recovered', tenant: lost.tenant });
      const admin = new TenantAdmin({ ...deps });
      const publicKey = key.publicKey.toString('base64');
      const { otherSlots, keys, serverManaged } = await admin.show(lost.tenant);
      expect(otherSlots).toMatchObject([{ type: 'escrow', epochs: [1], details: { publicKey } }]);
      expect([keys.length, serverManaged]).toEqual([2, false]);
      // Nothing had to be sealed later.
      expect(eventsOf(proxy, 'escrow-sealed')).toEqual([]);
    });
  });

  test('is not recovered by another private key', async () => {
    const { tenant } = await withEscrow(key, (proxy) => proxy.createTenant());
    const before = await keyringOf(tenant);
    await expect(recover(tenant, generateEscrowKey())).rejects.toThrow(/another escrow key/);
    expect(await keyringOf(tenant)).toEqual(before);
  });
});

describe('a tenant that was there before the setting', () => {
  test('cannot be recovered until one of its keys is used again, and then it can', async () => {
    const [signsIn, staysAway] = [await plain.proxy.createTenant(), await plain.proxy.createTenant()];
    for (const one of [signsIn, staysAway]) await put(plain.proxy, one, one.tenant);
    await withEscrow(key, async (proxy) => {
      await expect(recover(signsIn.tenant)).rejects.toThrow(NotRecoverable);
      expect(await get(proxy, signsIn, signsIn.tenant)).toBe(`content of ${signsIn.tenant}`);
      await sealed(signsIn.tenant);
      expect(eventsOf(proxy, 'escrow-sealed')).toMatchObject([{ tenant: signsIn.tenant }]);
      expect(await get(proxy, await recover(signsIn.tenant), signsIn.tenant)).toBe(`content of ${signsIn.tenant}`);
      await expect(recover(staysAway.tenant)).rejects.toThrow(/no escrow/);
      expect(await escrowOf(staysAway.tenant)).toBeUndefined();
    });
  });

  test('is escrowed once, however many requests and servers see it first', async () => {
    const tenant = await plain.proxy.createTenant();
    await withEscrow(key, (one) =>
      withEscrow(key, async (two) => {
        const requests = [one, two, one, two, one, two].map((proxy, at) => put(proxy, tenant, `many-${at}`));
        expect((await Promise.all(requests)).map(({ status }) => status)).toEqual([200, 200, 200, 200, 200, 200]);
        await expect.poll(() => escrowOf(tenant.tenant)).toBeDefined();
        await vi.waitFor(() =>
          expect(
            ['escrow-sealed', 'change-failed'].map((kind) => [...eventsOf(one, kind), ...eventsOf(two, kind)].length),
          ).toSatisfy(([begun = 0, given = 0]) => begun - given === 1),
        );
        expect((await keyringOf(tenant.tenant)).generation).toBe(2);
      }),
    );
  });

  test('is served as ever while the state takes no writes; that the escrow failed is an event', async () => {
    const tenant = await plain.proxy.createTenant();
    await put(plain.proxy, tenant, 'unwritable');
    await withEscrow(key, async (proxy, backend) => {
      backend.intercept = (request, next) => {
        if (request.method === 'PUT' && request.bucket === 'sealgate-state') throw new BackendUnavailable('no writes');
        return next(request);
      };
      expect(await get(proxy, tenant, 'unwritable')).toBe('content of unwritable');
      await vi.waitFor(() => expect(eventsOf(proxy, 'escrow-failed')).toHaveLength(1), { timeout: 10_000 });
      expect(await get(proxy, tenant, 'unwritable')).toBe('content of unwritable');
    });
    expect(await escrowOf(tenant.tenant)).toBeUndefined();
  });

  test('is not held up: its request is answered while the escrow has not been written', async () => {
    const tenant = await plain.proxy.createTenant();
    await put(plain.proxy, tenant, 'held');
    await withEscrow(key, async (proxy, backend) => {
      const gate = Promise.withResolvers<void>();
      let reached = false;
      backend.intercept = async (request, next) => {
        if (request.method === 'PUT' && request.bucket === 'sealgate-state') {
          reached = true;
          await gate.promise;
        }
        return next(request);
      };
      expect(await get(proxy, tenant, 'held')).toBe('content of held');
      await expect.poll(() => reached).toBe(true);
      expect(await get(proxy, tenant, 'held')).toBe('content of held');
      expect(await escrowOf(tenant.tenant)).toBeUndefined();
      gate.resolve();
      await sealed(tenant.tenant);
    });
  });
});

test('a changed public key takes the place of the old one at the next sign-in', async () => {
  const next = generateEscrowKey();
  const tenant = await withEscrow(key, (proxy) => proxy.createTenant());
  await withEscrow(next, async (proxy) => {
    await put(proxy, tenant, 'changed');
    await sealed(tenant.tenant, next);
    await expect(recover(tenant.tenant, key)).rejects.toThrow(/another escrow key/);
    expect(await get(proxy, await recover(tenant.tenant, next), 'changed')).toBe('content of changed');
  });
});

test('without the setting an escrow that is there stays, and works', async () => {
  const tenant = await withEscrow(key, (proxy) => proxy.createTenant());
  await put(plain.proxy, tenant, 'left');
  await opens(plain.proxy, await recover(tenant.tenant), 'left');
});

describe('a keyring whose escrow was changed by someone who holds S', () => {
  type Change = (own: Keyring, other: Keyring) => Keyring | Promise<Keyring>;
  const forged = (change: Change) =>
    withEscrow(key, async (proxy) => {
      const [own, other] = [await proxy.createTenant(), await proxy.createTenant()];
      const keyring = await change(await keyringOf(own.tenant), await keyringOf(other.tenant));
      const body = canonicalJson(resign({ ...keyring, generation: keyring.generation + 1 }, plain.proxy.sealKeys));
      await plain.proxy.state.replace(keyringName(own.tenant), body, signal());
      return own;
    });

  const altered = (own: Keyring, change: Partial<EscrowSlot>) => {
    const slot = escrowIn(own);
    return withEscrowSlot(own, slot && { ...slot, ...change });
  };

  const FORGED: Readonly<Record<string, Change>> = {
    'root keys that are not its own, sealed to the right public key': async (own) => {
      const roots = new Map([[1, createSecretKey(randomBytes(32))]]);
      const { publicKey } = key;
      const id = escrowIn(own)?.id ?? '';
      const { tenant } = own;
      return withEscrowSlot(own, await escrowSlot.seal({ publicKey, id, tenant, roots, now: new Date() }));
    },
    "another tenant's escrow": (own, other) => withEscrowSlot(own, escrowIn(other)),
    "another tenant's wraps": (own, other) => altered(own, { wraps: escrowIn(other)?.wraps ?? [] }),
    'no escrow': (own) => withEscrowSlot(own, undefined),
    'no escrow, and in its place a removed key': (own) => {
      const slot = escrowIn(own);
      if (slot === undefined) throw new Error('The tenant is escrowed.');
      const removed = { digest: slotDigest(slot), id: slot.id, removed: CREATED, type: 'api-key' as const };
      return { ...withEscrowSlot(own, undefined), removed: [removed] };
    },
    'another id': (own) => altered(own, { id: 'ffffffff' }),
    'another creation time': (own) => altered(own, { created: '2020-01-01T00:00:00Z' }),
    "the attacker's public key": (own) => altered(own, { publicKey: generateEscrowKey().publicKey.toString('base64') }),
  };

  test.each(Object.entries(FORGED))('%s: neither recovered nor served', async (_name, change) => {
    const own = await forged(change);
    await expect(recover(own.tenant)).rejects.toSatisfy(
      (error) => error instanceof KeyringTampered || error instanceof NotRecoverable,
    );
    expect(await get(plain.proxy, own, 'anything')).toBe('AccessDenied');
    expect(plain.events('keyring-tampered').at(-1)).toMatchObject({ tenant: own.tenant });
  });
});

describe('sealgate tenant recover', () => {
  async function run(...args: readonly string[]) {
    const { code, out, err } = await into((output) => tenantRecover(args, { ...output, deps }));
    return { code, out, err: err.join('\n') };
  }
  let keyFile: string;
  let wrongFile: string;
  let tenant: string;
  beforeAll(async () => {
    keyFile = join(store.directory, 'escrow.key');
    await writeSecretFile(keyFile, renderEscrowKeyFile(key, '2026-01-02T03:04:05Z'));
    wrongFile = join(store.directory, 'wrong.key');
    await writeSecretFile(wrongFile, renderEscrowKeyFile(generateEscrowKey(), ''));
    tenant = (await withEscrow(key, (proxy) => proxy.createTenant())).tenant;
  });

  test('prints credentials that work, with the terms that were asked for', async () => {
    const args = ['--escrow-key', keyFile, '--bucket', 'one', '--read-only', '--expires', '2099-01-01', '--json'];
    const { code, out } = await run(tenant, ...args);
    expect([code, out.length]).toEqual([0, 1]);
    const made = JSON.parse(out[0] ?? '') as TestTenant;
    expect(Object.keys(made)).toEqual(['tenant', 'slot', 'accessKeyId', 'secretAccessKey']);
    expect(await get(plain.proxy, made, 'elsewhere')).toBe('AccessDenied');
    expect(keySlots(await keyringOf(tenant)).find(({ label }) => label === 'recovered')).toMatchObject({
      expires: '2099-01-01T00:00:00Z',
      grants: [{ bucket: 'one', prefix: '', access: 'read-only' }],
    });
  });

  test('writes them into a file for the owner only, and overwrites nothing', async () => {
    const file = join(store.directory, 'recovered.json');
    const args = [tenant, '--escrow-key', keyFile, '--bucket', '*', '--out', file];
    const { code, out } = await run(...args);
    const text = await readFile(file, 'utf8');
    const made = JSON.parse(text) as TestTenant;
    expect([code, (await stat(file)).mode & 0o777]).toEqual([0, 0o600]);
    expect(out.join()).not.toContain(made.secretAccessKey);
    const again = await run(...args);
    expect([again.code, again.err]).toEqual([1, expect.stringContaining('already there')]);
    expect(await readFile(file, 'utf8')).toBe(text);
  });

  test('says what to do when the keyring is full, and shows no key; one that expired makes room', async () => {
    const { tenant: full, accessKeyId } = await withEscrow(key, (proxy) => proxy.createTenant());
    const caller = unsealAccessKeyId(accessKeyId, plain.proxy.sealKeys);
    const admin = new KeyAdmin(deps);
    const slots: string[] = [];
    for (let n = 1; n < MAX_KEYRING_SLOTS; n += 1) slots.push((await admin.create(caller, {}, signal())).slot);
    const args = [full, '--escrow-key', keyFile, '--bucket', '*', '--json'];
    const refused = await run(...args);
    expect([refused.code, refused.out]).toEqual([1, []]);
    expect(refused.err).toMatch(new RegExp(`64 keys.*'sealgate key revoke ${full} KEY'`));
    await admin.update({ tenant: full, slot: slots[0] ?? '', change: { expires: '2020-01-01T00:00:00Z' } }, signal());
    expect((await run(...args)).code).toBe(0);
    expect((await keyringOf(full)).slots.map(({ id }) => id)).not.toContain(slots[0]);
  });

  test('refuses what it cannot do, and says why', async () => {
    const unescrowed = (await plain.proxy.createTenant()).tenant;
    const all = ['--bucket', '*'];
    const cases: readonly [number, RegExp, readonly string[]][] = [
      [2, /TENANT/, ['--escrow-key', keyFile, ...all]],
      [2, /--escrow-key is missing/, [tenant, ...all]],
      [2, /--bucket is missing/, [tenant, '--escrow-key', keyFile]],
      [2, /24 hex digits/, ['../x', '--escrow-key', keyFile, ...all]],
      [2, /time to come/, [tenant, '--escrow-key', keyFile, ...all, '--expires', '2001-01-01']],
      [2, /state bucket/, [tenant, '--escrow-key', keyFile, '--bucket', 'sealgate-state']],
      [2, /not accepted/, [tenant, '--escrow-key', keyFile, ...all, '--label', 'x'.repeat(65)]],
      [1, /cannot be read/, [tenant, '--escrow-key', join(store.directory, 'absent'), ...all]],
      [1, /holds no escrow private key/, [tenant, '--escrow-key', join(store.directory, 'recovered.json'), ...all]],
      [1, /another escrow key/, [tenant, '--escrow-key', wrongFile, ...all]],
      [1, /no escrow/, [unescrowed, '--escrow-key', keyFile, ...all]],
      [1, /no tenant/, ['0'.repeat(24), '--escrow-key', keyFile, ...all]],
    ];
    const before = await keyringOf(tenant);
    for (const [code, reason, args] of cases) {
      const refused = await run(...args);
      expect([refused.code, refused.out, refused.err]).toEqual([code, [], expect.stringMatching(reason)]);
      expect(refused.err).not.toContain(key.secret.toString('base64'));
    }
    expect(cases).toHaveLength(12);
    expect(await keyringOf(tenant)).toEqual(before);
  });
});
