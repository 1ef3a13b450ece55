/**
 * Protects: an escrow is a slot of the keyring and yet no key. No access key id opens it, no command or API call that is about
 * keys lists, changes, counts or removes it, and S alone cannot take it away. Beside keys it lasts through every change of them.
 */
import { beforeEach, describe, expect, test } from 'vitest';
import { QueryError } from '../../../../proxy/iam/errors.ts';
import { OwnKeys } from '../../../../proxy/iam/own-keys.ts';
import { sealAccessKeyId } from '../../../../proxy/keyring/access-keys/access-key-id.ts';
import { sealKeyUsage } from '../../../../proxy/keyring/access-keys/seal-key-usage.ts';
import { changeKeyring, openKeyring, readKeyring } from '../../../../proxy/keyring/admin/change-keyring.ts';
import { deleteTenant } from '../../../../proxy/keyring/admin/delete-tenant.ts';
import { withEscrowSlot, withoutSlot } from '../../../../proxy/keyring/admin/edit-slots.ts';
import { KeyAdmin } from '../../../../proxy/keyring/admin/key-admin.ts';
import { UnknownKey } from '../../../../proxy/keyring/admin/key-errors.ts';
import { recoverTenant } from '../../../../proxy/keyring/admin/recover-tenant.ts';
import { TenantAdmin } from '../../../../proxy/keyring/admin/tenant-admin.ts';
import { generateEscrowKey } from '../../../../proxy/keyring/slots/escrow-key.ts';
import { type EscrowSlot, escrowSlot } from '../../../../proxy/keyring/slots/escrow-slot.ts';
import { DEFAULT_KDFS } from '../../../../proxy/keyring/slots/kdf.ts';
import { keySlots, slotsOfType } from '../../../../proxy/keyring/slots/slot-types.ts';
import type { Keyring } from '../../../../proxy/keyring/state/document.ts';
import { lastUsedName, sealLastUsed } from '../../../../proxy/keyring/uses/last-used.ts';
import { collectOrphanedUses } from '../../../../proxy/keyring/uses/orphaned-uses.ts';
import { beginEpoch } from '../../../../proxy/rotation/begin-epoch.ts';
import { planSlots } from '../../../../proxy/rotation/keep-slots.ts';
import { retireEpochs } from '../../../../proxy/rotation/retire-epochs.ts';
import { currentRoot, makeTenant, remac, resign, type TenantFixture } from '../../../helpers/keyring-fixture.ts';
import { TenancyHarness } from '../../../helpers/tenancy-harness.ts';

const signal = AbortSignal.timeout(60_000);
const key = generateEscrowKey();
const ID = '00000000';

let harness: TenancyHarness;
let fixture: TenantFixture;
let escrow: EscrowSlot;

beforeEach(async () => {
  harness = new TenancyHarness();
  const { sealKeys } = harness;
  const plain = await makeTenant({ sealKeys, slots: [{}, {}] });
  const { tenant, roots } = plain;
  escrow = await escrowSlot.seal({ id: ID, publicKey: key.publicKey, tenant, roots, now: new Date(harness.time) });
  const keyring = resign(remac(withEscrowSlot(plain.keyring, escrow), currentRoot(roots)), sealKeys);
  fixture = { ...plain, keyring };
  harness.store(keyring);
});

const keyring = async (): Promise<Keyring> => (await readKeyring(harness.deps, fixture.tenant, signal)).keyring;
const escrows = async () => slotsOfType(await keyring(), 'escrow');
const caller = (at = 0) => harness.unseal(fixture.keys[at]?.accessKeyId ?? '');
/** An access key id that only whoever holds S can make. */
const named = () => {
  const { sealKeys } = harness;
  const apiKey = fixture.keys[0]?.apiKey;
  if (apiKey === undefined) throw new Error('The fixture has keys.');
  return sealAccessKeyId({ sealKeys, tenant: fixture.tenant, slot: ID, apiKey });
};
const recovers = () =>
  recoverTenant(
    harness.deps,
    {
      tenant: fixture.tenant,
      key,
      grants: [{ bucket: 'data', prefix: '', access: 'read-only' }],
      label: '',
      expires: null,
    },
    signal,
  );

describe('an access key id that names it', () => {
  test('opens nothing, at no cost, at servers and commands', async () => {
    expect(await harness.outcome(named())).toBe('InvalidAccessKeyId');
    const refused = { code: 'InvalidAccessKeyId' };
    await expect(openKeyring(harness.deps, harness.unseal(named()), signal)).rejects.toMatchObject(refused);
    expect([harness.runner.runs, harness.events]).toEqual([0, []]);
    expect(await harness.outcome(fixture.keys[0]?.accessKeyId ?? '')).toBe('opened');
  });

  test('is told as much over the IAM API, and begins no epoch', async () => {
    const own = new OwnKeys(harness.deps);
    await expect(own.keyring({ caller: harness.unseal(named()), signal })).rejects.toThrow(QueryError);
    expect(() => planSlots(fixture.keyring, { keys: [harness.unseal(named())], roleSecrets: new Map() })).toThrow(
      /no key 00000000/,
    );
  });
});

test('no command about keys lists, changes or revokes it', async () => {
  const admin = new KeyAdmin(harness.deps);
  const { tenant } = fixture;
  expect((await admin.list(tenant, signal)).map(({ slot }) => slot)).toEqual(fixture.keySlots.map(({ id }) => id));
  const changes = [
    admin.revoke({ tenant, slot: ID }, signal),
    admin.revoke({ tenant, slot: ID, force: true }, signal),
    admin.update({ tenant, slot: ID, change: { status: 'inactive' } }, signal),
    admin.update({ tenant, slot: ID, change: { expires: '2020-01-01T00:00:00Z' } }, signal),
    admin.update({ tenant, slot: ID, change: { kdfUpgrade: DEFAULT_KDFS.argon2id } }, signal),
    admin.rotate(caller(), { slot: ID }, signal),
  ];
  for (const change of changes) await expect(change).rejects.toThrow(UnknownKey);
  expect(await keyring()).toEqual(fixture.keyring);
});

test('no call of the IAM API lists, changes or removes it', async () => {
  const own = new OwnKeys(harness.deps);
  const gate = { decide: () => Promise.reject(new Error('a permission was asked for what is no key')) };
  const o = { caller: caller(), slot: ID, gate, signal };
  const calls = [own.lastUse(o), own.setStatus({ ...o, status: 'inactive' }), own.remove(o)];
  for (const call of calls) await expect(call).rejects.toMatchObject({ code: 'NoSuchEntity' });
  expect(keySlots(await own.keyring(o))).toHaveLength(2);
  expect(await keyring()).toEqual(fixture.keyring);
});

test('it counts as no key: not for the last key in use, not in lists of tenants, not for a seal key', async () => {
  const { tenant } = fixture;
  const [first, second] = fixture.keySlots.map(({ id }) => id);
  const admin = new KeyAdmin(harness.deps);
  await admin.revoke({ tenant, slot: first ?? '' }, signal);
  await expect(admin.revoke({ tenant, slot: second ?? '' }, signal)).rejects.toMatchObject({ code: 'LAST_KEY' });
  const tenants = new TenantAdmin(harness.deps);
  expect(await Array.fromAsync(tenants.list())).toMatchObject([{ keys: 1, serverManaged: false }]);
  expect((await tenants.show(tenant)).otherSlots).toEqual([
    {
      slot: ID,
      type: 'escrow',
      created: escrow.created,
      epochs: [1],
      serverManaged: false,
      details: { publicKey: key.publicKey.toString('base64') },
    },
  ]);
  const { usage } = await sealKeyUsage(harness.deps, signal);
  expect(usage.map(({ ids }) => ids)).toEqual([[`${tenant}/${second}`]]);
  expect(await deleteTenant(harness.deps, harness.backend, tenant, signal)).toMatchObject({ keys: 1 });
});

test('a record of its use is an orphan: it has none', async () => {
  const { state, sealKeys } = harness;
  const { tenant } = fixture;
  const slots = [ID, fixture.keySlots[0]?.id ?? ''];
  for (const slot of slots) {
    const record = sealLastUsed({ tenant, slot }, '2026-05-31', sealKeys.active);
    await state.put(lastUsedName({ tenant, slot }), record, { ifAbsent: true }, signal);
  }
  const found = await Array.fromAsync(collectOrphanedUses({ state, sealKeys, dryRun: false, signal }));
  expect(found).toEqual([{ tenant, slot: ID }]);
});

test('S alone cannot take it away: neither by a change nor by leaving it out', async () => {
  const { tenant } = fixture;
  const now = new Date(harness.time);
  for (const without of [
    (before: Keyring) => withoutSlot(before, ID, now),
    (before: Keyring) => withEscrowSlot(before, undefined),
  ]) {
    expect(without(fixture.keyring).removed).toEqual([]);
    await expect(changeKeyring(harness.deps, tenant, without, { signal, event: 'announced' })).rejects.toThrow(
      TypeError,
    );
  }
  expect(await keyring()).toEqual(fixture.keyring);
  const opened = await openKeyring(harness.deps, caller(), signal);
  await changeKeyring(harness.deps, opened, (before) => withEscrowSlot(before, undefined), {
    signal,
    event: 'announced',
  });
  expect(await escrows()).toEqual([]);
  await expect(recovers()).rejects.toThrow(/no escrow/);
});

test('it lasts through changes of keys, byte for byte, and opens afterwards', async () => {
  const admin = new KeyAdmin(harness.deps);
  const { tenant } = fixture;
  await admin.create(caller(), {}, signal);
  await admin.rotate(caller(1), {}, signal);
  await admin.update({ tenant, slot: fixture.keys[0]?.slot ?? '', change: { label: 'other' } }, signal);
  expect(await escrows()).toEqual([escrow]);
  const { accessKeyId } = await recovers();
  expect(await harness.outcome(accessKeyId)).toBe('opened');
});

describe('a deep rotation', () => {
  const begin = async () => {
    const opened = await openKeyring(harness.deps, caller(), signal);
    const o = { keys: [caller(), caller(1)], keepKey: true, dropSlots: false, keep: async () => undefined };
    return { opened, o };
  };

  test('takes it along without anything at hand, under its id, and retires the older root keys in it too', async () => {
    const { opened, o } = await begin();
    const begun = await beginEpoch(harness.deps, opened, o, signal);
    expect(begun.dropped).toEqual([]);
    expect(await escrows()).toMatchObject([
      { id: ID, publicKey: escrow.publicKey, wraps: [{ epoch: 1 }, { epoch: 2 }] },
    ]);
    await retireEpochs(harness.deps, begun.opened, signal);
    expect(await escrows()).toMatchObject([{ id: ID, wraps: [{ epoch: 2 }] }]);
    const { accessKeyId } = await recovers();
    expect((await harness.open(accessKeyId)).epoch).toBe(2);
  });

  const WRITTEN_BETWEEN: Readonly<Record<string, (own: EscrowSlot, other: EscrowSlot) => EscrowSlot | undefined>> = {
    'taken off': () => undefined,
    'replaced by one to another key': (_own, other) => other,
    'sealed again': (own) => own,
  };

  test.each(Object.entries(WRITTEN_BETWEEN))(
    'goes on when it was %s meanwhile, with what is there',
    async (_name, make) => {
      const { opened, o } = await begin();
      const { tenant, roots } = fixture;
      const sealed = { tenant, roots, now: new Date(harness.time) };
      const own = await escrowSlot.seal({ ...sealed, id: ID, publicKey: key.publicKey });
      const other = await escrowSlot.seal({ ...sealed, id: '00000001', publicKey: generateEscrowKey().publicKey });
      const made = make(own, other);
      await changeKeyring(harness.deps, opened, (before) => withEscrowSlot(before, made), {
        signal,
        event: 'announced',
      });
      await beginEpoch(harness.deps, opened, o, signal);
      const wraps = [{ epoch: 1 }, { epoch: 2 }];
      const expected = made === undefined ? [] : [{ id: made.id, publicKey: made.publicKey, wraps }];
      expect(await escrows()).toMatchObject(expected);
      expect(await escrows()).toHaveLength(expected.length);
    },
  );
});
