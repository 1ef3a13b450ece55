/**
 * Protects: nothing that an operator does, and nothing that servers do by themselves, ends a session before its time, but what
 * docs/access.md names; and what it names does.
 */
import { describe, expect, test } from 'vitest';
import { resignAll } from '../../../proxy/keyring/access-keys/seal-key-usage.ts';
import { SealKeys } from '../../../proxy/keyring/access-keys/seal-keys.ts';
import { changeKeyring, openKeyring, openKeyringByKms } from '../../../proxy/keyring/admin/change-keyring.ts';
import { withEscrowSlot } from '../../../proxy/keyring/admin/edit-slots.ts';
import { KeyAdmin } from '../../../proxy/keyring/admin/key-admin.ts';
import { KmsAdmin } from '../../../proxy/keyring/admin/kms-admin.ts';
import { TenantAdmin } from '../../../proxy/keyring/admin/tenant-admin.ts';
import { DEFAULT_KDFS, type Kdf } from '../../../proxy/keyring/slots/kdf.ts';
import { keySlotOf } from '../../../proxy/keyring/slots/slot-types.ts';
import { timestamp } from '../../../proxy/keyring/state/fields.ts';
import { KmsSecrets } from '../../../proxy/kms/kms-secrets.ts';
import { beginEpoch } from '../../../proxy/rotation/begin-epoch.ts';
import { retireEpochs } from '../../../proxy/rotation/retire-epochs.ts';
import { LONGEST_KEY_SESSION_SECONDS } from '../../../proxy/session-limits.ts';
import { FakeKms } from '../../helpers/fake-kms.ts';
import { fakeEscrow, makeTenant, newSealKeys } from '../../helpers/keyring-fixture.ts';
import { PausedRunner, SessionReplica } from '../../helpers/session-replicas.ts';
import { TenancyHarness } from '../../helpers/tenancy-harness.ts';

const signal = new AbortController().signal;
const HOUR_MS = 3_600_000;
const MAIN = { provider: 'transit:fake', key: 'main' };
const WEAK: Kdf = DEFAULT_KDFS.argon2id;
const STRONG: Kdf = { ...WEAK, passes: 3 };

type Setup = Awaited<ReturnType<typeof setup>>;

/** A key with a KMS or without one, another key beside it, and a session of the longest duration. */
async function setup(o: { kms: boolean; begunEpoch?: boolean }) {
  const harness = new TenancyHarness();
  const slots = [{ kdf: WEAK, runner: new PausedRunner() }, {}];
  const fixture = await makeTenant({ sealKeys: harness.sealKeys, slots });
  harness.store(fixture.keyring);
  const { tenant } = fixture;
  const [id = '', otherId = ''] = fixture.keys.map(({ accessKeyId }) => accessKeyId);
  const [key, other] = [harness.unseal(id), harness.unseal(otherId)];
  const fake = new FakeKms();
  const kms = new KmsSecrets({ providers: [fake], now: () => harness.time });
  const server = new SessionReplica(harness, { kms });
  const { deps } = server;
  const of = { tenant, slot: key.slot };
  const kmsAdmin = new KmsAdmin(deps);
  if (o.kms) await kmsAdmin.attach(key, MAIN, signal);
  const rotate = async () => {
    const wishes = { keys: [key, other], keepKey: true, dropSlots: false, keep: async () => {} };
    return beginEpoch(deps, await openKeyring(deps, key, signal), wishes, signal);
  };
  if (o.begunEpoch === true) await rotate();
  harness.time = Date.parse('2026-06-01T23:59:58Z');
  const session = await server.issue(key, LONGEST_KEY_SESSION_SECONDS);
  expect(await server.useSession(session)).toBe('open');
  const base = { harness, tenant, id, key, other, fake, kms, server, deps, of, kmsAdmin, rotate, session };
  return { ...base, admin: new KeyAdmin(deps) };
}

/** Servers and commands with a new seal key in front. */
function withNewSealKey({ harness, kms }: Setup): SessionReplica {
  const [two] = newSealKeys('two').all;
  if (two === undefined) throw new Error('no seal key');
  return new SessionReplica(harness, { sealKeys: new SealKeys([two, ...harness.sealKeys.all]), kms });
}

const policy = '{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"s3:*","Resource":"*"}]}';

/** Each is done to a key with a KMS. A server that is given back is the one to ask afterwards. */
const HARMLESS: Readonly<Record<string, (on: Setup) => Promise<unknown>>> = {
  'narrower grants': ({ admin, of }) =>
    admin.update({ ...of, change: { grants: [{ bucket: 'data', prefix: 'narrow/', access: 'read-only' }] } }, signal),
  'another policy': ({ admin, of }) => admin.update({ ...of, change: { grants: [], policy } }, signal),
  'another label and a later expiry': ({ admin, of }) =>
    admin.update({ ...of, change: { label: 'x', expires: '2030-01-01T00:00:00Z' } }, signal),
  'a stronger key derivation that is requested, with the key in use': async ({ admin, of, server, id, harness }) => {
    await admin.update({ ...of, change: { kdfUpgrade: STRONG } }, signal);
    harness.time += 60_000;
    expect(await server.useKey(id)).toBe('open');
  },
  'a new access key id': ({ admin, key }) => admin.reissue(key, {}, signal),
  'a registered access key id': ({ admin, key }) => admin.reissue(key, { registered: true }, signal),
  'another key, made, rotated and revoked': async ({ admin, key, other, tenant }) => {
    const made = await admin.create(key, {}, signal);
    await admin.rotate(other, {}, signal);
    await admin.revoke({ tenant, slot: made.slot }, signal);
  },
  'a name of the tenant': ({ deps, tenant }) => new TenantAdmin(deps).rename(tenant, 'renamed', signal),
  'the secret wrapped again by the KMS': ({ kmsAdmin, tenant }) => kmsAdmin.rewrap({ tenant }, signal),
  'a slot that the KMS opens alone, added and removed': async ({ kmsAdmin, key, tenant }) => {
    const { slot } = await kmsAdmin.add(key, { key: MAIN, label: 'verify' }, signal);
    await kmsAdmin.remove({ tenant, slot }, signal);
  },
  'the factor of another key': ({ kmsAdmin, other }) => kmsAdmin.attach(other, MAIN, signal),
  'an escrow': async ({ deps, key, tenant }) => {
    const escrow = fakeEscrow({ epochs: [1] });
    const event = { kind: 'escrow-sealed', detail: '', tenant } as const;
    const opened = await openKeyring(deps, key, signal);
    await changeKeyring(deps, opened, (keyring) => withEscrowSlot(keyring, escrow), { signal, event });
  },
  'a new seal key in front': async (on) => withNewSealKey(on),
  'keyrings and records under the new seal key': async (on) => {
    const server = withNewSealKey(on);
    await resignAll(server.deps, signal);
    return server;
  },
  'the upkeep of old days, in its last hours': async ({ harness, server }) => {
    harness.time += (LONGEST_KEY_SESSION_SECONDS - 60) * 1000;
    expect(await server.days.removeOld(signal)).toEqual({ removed: [], left: [] });
  },
};

describe('a session lives on after', () => {
  test.each(Object.keys(HARMLESS))('%s', async (name) => {
    const on = await setup({ kms: true });
    const given = await HARMLESS[name]?.(on);
    const server = given instanceof SessionReplica ? given : on.server;
    on.harness.time = on.session.ends.getTime() - 1;
    expect(await server.useSession(on.session)).toBe('open');
    on.harness.time += 1;
    expect(await server.useSession(on.session)).toBe('ExpiredToken');
  });

  test('the end of a deep rotation that began before it', async () => {
    const on = await setup({ kms: true, begunEpoch: true });
    await retireEpochs(on.deps, await openKeyring(on.deps, on.key, signal), signal);
    on.harness.time = on.session.ends.getTime() - 1;
    expect(await on.server.useSession(on.session)).toBe('open');
  });

  test('a deep rotation that a slot of the KMS goes on with, unattended', async () => {
    const on = await setup({ kms: true, begunEpoch: true });
    await on.kmsAdmin.add(on.key, { key: MAIN, label: 'rotation' }, signal);
    await retireEpochs(on.deps, await openKeyringByKms(on.deps, on.tenant, signal), signal);
    on.harness.time = on.session.ends.getTime() - 1;
    expect(await on.server.useSession(on.session)).toBe('open');
  });
});

/** Those of keys; roles.test.ts has those of roles. */
const ENDING: Readonly<Record<string, (on: Setup) => Promise<unknown>>> = {
  '--end-sessions': ({ admin, of }) => admin.update({ ...of, change: { endSessions: true } }, signal),
  'key revoke': ({ admin, of }) => admin.revoke(of, signal),
  'key rotate': ({ admin, key }) => admin.rotate(key, {}, signal),
  'key rotate --grace, after the grace': async ({ admin, key, harness }) => {
    await admin.rotate(key, { graceSeconds: 3_600 }, signal);
    harness.time += HOUR_MS;
  },
  '--status inactive': ({ admin, of }) => admin.update({ ...of, change: { status: 'inactive' } }, signal),
  '--expires in the past': ({ admin, of, harness }) =>
    admin.update({ ...of, change: { expires: timestamp(new Date(harness.time)) } }, signal),
  'key attach-kms': ({ kmsAdmin, key }) => kmsAdmin.attach(key, MAIN, signal),
  'key rotate --deep, the key kept': ({ rotate }) => rotate(),
};

describe('a session ends within a minute with', () => {
  test.each(Object.keys(ENDING))('%s', async (name) => {
    const on = await setup({ kms: false });
    await ENDING[name]?.(on);
    on.harness.time += 60_000;
    expect(await on.server.useSession(on.session)).toBe('InvalidToken');
  });

  test('the seal key that it was issued under', async () => {
    const on = await setup({ kms: false });
    const [two] = newSealKeys('two').all;
    if (two === undefined) throw new Error('no seal key');
    const server = withNewSealKey(on);
    await resignAll(server.deps, signal);
    const without = new SessionReplica(on.harness, { sealKeys: new SealKeys([server.deps.sealKeys.active]) });
    expect([await server.useSession(on.session), await without.useSession(on.session)]).toEqual([
      'open',
      'InvalidToken',
    ]);
  });

  test('a key that is switched off at the KMS, while it is', async () => {
    const on = await setup({ kms: true });
    on.fake.failing = 'disabled';
    on.harness.time += 301_000;
    expect(await on.server.useSession(on.session)).toBe('ServiceUnavailable');
    on.fake.failing = undefined;
    on.harness.time += 2_000;
    expect(await on.server.useSession(on.session)).toBe('open');
  });
});

test('what ends the sessions of a key anyway takes up the stronger key derivation that was requested for it', async () => {
  for (const how of ['key attach-kms', 'key rotate --deep, the key kept']) {
    for (const kms of how === 'key attach-kms' ? [false] : [false, true]) {
      const on = await setup({ kms });
      await on.admin.update({ ...on.of, change: { kdfUpgrade: STRONG } }, signal);
      await ENDING[how]?.(on);
      const { keyring } = await openKeyring(on.deps, on.key, signal);
      expect([how, kms, keySlotOf(keyring, on.key.slot)]).toMatchObject([how, kms, { kdf: STRONG, kdfUpgrade: null }]);
      on.harness.time += 60_000;
      expect([await on.server.useKey(on.id), await on.server.useSession(on.session)]).toEqual(['open', 'InvalidToken']);
      const next = await on.server.issue(on.key, 3_600);
      expect(await on.server.useSession(next)).toBe('open');
    }
  }
});
