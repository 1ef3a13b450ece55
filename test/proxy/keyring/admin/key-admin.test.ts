// Protects: the life of a key. What is handed out opens the tenant, what was taken away does not, of two who change the same
// key at once one is told so, and nothing is left behind by what failed.
import { describe, expect, it } from 'vitest';
import { BackendUnavailable } from '../../../../proxy/backend/backend.ts';
import { SealKeys } from '../../../../proxy/keyring/access-keys/seal-keys.ts';
import {
  ChangeUncertain,
  KeyringConflict,
  type KeyringDeps,
  readKeyring,
} from '../../../../proxy/keyring/admin/change-keyring.ts';
import { slotOf } from '../../../../proxy/keyring/admin/edit-slots.ts';
import { type IssuedKey, KeyAdmin } from '../../../../proxy/keyring/admin/key-admin.ts';
import {
  LastKey,
  TooManyIds,
  TooManyKeys,
  UnknownKey,
  UnsuitableTerms,
} from '../../../../proxy/keyring/admin/key-errors.ts';
import { InvalidGrant } from '../../../../proxy/keyring/grants.ts';
import { apiKeyFromText } from '../../../../proxy/keyring/slots/api-key.ts';
import { DEFAULT_KDFS, type Kdf, KdfRunner } from '../../../../proxy/keyring/slots/kdf.ts';
import { keySlots } from '../../../../proxy/keyring/slots/slot-types.ts';
import { upgradeKdf } from '../../../../proxy/keyring/slots/upgrade-kdf.ts';
import { StateStore } from '../../../../proxy/keyring/state/state.ts';
import { Tenancy } from '../../../../proxy/keyring/tenancy.ts';
import { KEPT_REMOVED_SLOTS, MAX_KEYRING_SLOTS, MAX_REGISTERED_IDS } from '../../../../proxy/limits.ts';
import { makeTenant, newSealKeys, type SlotPlan } from '../../../helpers/keyring-fixture.ts';
import { failure } from '../../../helpers/state-backend.ts';
import { TenancyHarness } from '../../../helpers/tenancy-harness.ts';

const signal = new AbortController().signal;
const GRANTS = [{ bucket: 'data', prefix: 'p/', access: 'read-write' as const }];

async function setup(o: { slots?: readonly SlotPlan[]; sealKeys?: SealKeys } = {}) {
  const harness = new TenancyHarness(o.sealKeys === undefined ? {} : { sealKeys: o.sealKeys });
  const slots = o.slots ?? [{ grants: GRANTS, label: 'first' }];
  const fixture = await makeTenant({ sealKeys: harness.sealKeys, slots });
  harness.store(fixture.keyring);
  const { tenant } = fixture;
  const deps: KeyringDeps = {
    ...harness.deps,
    generations: harness.tenancy.generations,
    onChange: (changed, generation) => harness.tenancy.noteGeneration(changed, generation),
  };
  const callers = fixture.keys.map(({ accessKeyId }) => harness.unseal(accessKeyId));
  const [caller] = callers;
  const [key] = fixture.keys;
  if (caller === undefined || key === undefined) throw new Error('The fixture has a key.');
  const outcome = (accessKeyId: string, tenancy = harness.tenancy) =>
    tenancy
      .resolve(accessKeyId, signal)
      .then((accessKey) => tenancy.open(accessKey, signal))
      .then(
        (open) => open.root(1)?.export().toString('hex'),
        (error: unknown) => String((error as { code?: unknown }).code),
      );
  const root = fixture.roots.get(1)?.export().toString('hex');
  const keyring = async () => (await readKeyring(deps, tenant, signal)).keyring;
  const slotsNow = async () => (await keyring()).slots.map(({ id }) => id);
  const records = () => harness.backend.keys('state').filter((name) => name.startsWith('p/ids/')).length;
  return {
    harness,
    fixture,
    tenant,
    deps,
    admin: new KeyAdmin(deps),
    caller,
    callers,
    key,
    outcome,
    root,
    keyring,
    slotsNow,
    records,
  };
}

describe('create', () => {
  it('makes another key that opens the same data, with the caller’s grants or its own', async () => {
    const { harness, admin, caller, key, tenant, outcome, root, keyring } = await setup();
    const same = await admin.create(caller, {}, signal);
    const own = await admin.create(
      caller,
      {
        grants: [{ bucket: 'data', prefix: 'p/q/', access: 'read-only' }],
        label: 'CI',
        expires: '2027-01-01T00:00:00Z',
      },
      signal,
    );
    expect([await outcome(key.accessKeyId), await outcome(same.accessKeyId), await outcome(own.accessKeyId)]).toEqual([
      root,
      root,
      root,
    ]);
    const byId = new Map((await keyring()).slots.map((slot) => [slot.id, slot]));
    expect(byId.get(same.slot)).toMatchObject({ grants: GRANTS, label: '', expires: null, status: 'active' });
    expect(byId.get(own.slot)).toMatchObject({ label: 'CI', expires: '2027-01-01T00:00:00Z', idKid: 'one' });
    expect([same.tenant, own.tenant]).toEqual([tenant, tenant]);
    expect(harness.events.map(({ kind }) => kind)).toEqual(['key-created', 'key-created']);
    const shown = JSON.stringify(harness.events);
    for (const secret of [own.secretAccessKey, own.accessKeyId]) expect(shown).not.toContain(secret);
    expect(harness.backend.everything().includes(own.secretAccessKey ?? '?')).toBe(false);
  });

  it('takes keys brought along, of every length, and never under hkdf-sha256', async () => {
    const { admin, caller, outcome, root, keyring } = await setup();
    let made = 0;
    for (const length of [22, 47, 61, 200]) {
      const apiKey = apiKeyFromText('q'.repeat(length));
      const issued = await admin.create(caller, { apiKey }, signal);
      expect(issued.secretAccessKey).toBeUndefined();
      expect(await outcome(issued.accessKeyId)).toBe(root);
      expect(slotOf(await keyring(), issued.slot).kdf).toEqual(DEFAULT_KDFS.argon2id);
      made += 1;
    }
    expect(made).toBe(4);
    const apiKey = apiKeyFromText('q'.repeat(30));
    await expect(admin.create(caller, { apiKey, kdf: { name: 'hkdf-sha256' } }, signal)).rejects.toThrow(
      UnsuitableTerms,
    );
    for (const length of [48, 60]) {
      const long = apiKeyFromText('q'.repeat(length), { maxRawBytes: 60 });
      await expect(admin.create(caller, { apiKey: long }, signal)).rejects.toThrow(/--registered/);
      const issued = await admin.create(caller, { apiKey: long, registered: true }, signal);
      expect(await outcome(issued.accessKeyId)).toBe(root);
    }
  });

  it('refuses the state bucket, no grant, a revoked caller and a full keyring', async () => {
    const { harness, admin, caller, tenant, slotsNow } = await setup();
    const state = [{ bucket: 'state', prefix: '', access: 'read-only' as const }];
    await expect(admin.create(caller, { grants: state }, signal)).rejects.toThrow(InvalidGrant);
    await expect(admin.create(caller, { grants: [] }, signal)).rejects.toThrow(InvalidGrant);
    const second = await admin.create(caller, { expires: '2026-06-01T00:00:10Z' }, signal);
    for (let n = 2; n < MAX_KEYRING_SLOTS; n += 1) await admin.create(caller, {}, signal);
    expect(await slotsNow()).toHaveLength(MAX_KEYRING_SLOTS);
    await expect(admin.create(caller, {}, signal)).rejects.toThrow(TooManyKeys);
    // The one that has expired makes room.
    harness.time += 10_000;
    await admin.create(caller, {}, signal);
    expect(await slotsNow()).not.toContain(second.slot);
    await admin.revoke({ tenant, slot: caller.slot }, signal);
    await expect(admin.create(caller, {}, signal)).rejects.toMatchObject({ code: 'InvalidAccessKeyId' });
  });
});

describe('rotate', () => {
  it('gives a new key the terms of the old one, which is refused at once', async () => {
    const { harness, admin, caller, key, outcome, root, keyring, slotsNow } = await setup();
    expect(await outcome(key.accessKeyId)).toBe(root);
    const rotated = await admin.rotate(caller, {}, signal);
    expect(rotated).toMatchObject({ replaced: key.slot, replacedUntil: null });
    expect([await outcome(rotated.accessKeyId), await outcome(key.accessKeyId)]).toEqual([root, 'InvalidAccessKeyId']);
    expect(await slotsNow()).toEqual([rotated.slot]);
    expect((await keyring()).slots[0]).toMatchObject({ grants: GRANTS, label: 'first' });
    expect(harness.events.map(({ kind }) => kind)).toEqual(['key-rotated']);
    // The old key with S: nothing of it is left in the state to open.
    expect(harness.backend.everything().includes(JSON.stringify(key.slot))).toBe(true);
    expect((await keyring()).removed.map(({ id }) => id)).toEqual([key.slot]);
  });

  it('keeps the old key for the grace and no longer than its own expiry', async () => {
    const { harness, admin, caller, key, outcome, root } = await setup();
    const first = await admin.rotate(caller, { graceSeconds: 3600 }, signal);
    expect(first.replacedUntil).toBe('2026-06-01T01:00:00Z');
    expect([await outcome(key.accessKeyId), await outcome(first.accessKeyId)]).toEqual([root, root]);
    harness.time += 3_600_000;
    expect([await outcome(key.accessKeyId), await outcome(first.accessKeyId)]).toEqual(['InvalidAccessKeyId', root]);

    const short = await setup({ slots: [{ expires: '2026-06-01T00:30:00Z' }] });
    const rotated = await short.admin.rotate(short.caller, { graceSeconds: 3600 }, signal);
    expect(rotated.replacedUntil).toBe('2026-06-01T00:30:00Z');
    expect(keySlots(await short.keyring()).map(({ expires }) => expires)).toEqual(
      Array(2).fill('2026-06-01T00:30:00Z'),
    );
  });

  it('goes on for ever: more often than a keyring has room for removed slots, with grace and without', async () => {
    const { harness, admin, caller, keyring, outcome, root } = await setup();
    let current = caller;
    let accessKeyId = '';
    const rounds = 2 * MAX_KEYRING_SLOTS + KEPT_REMOVED_SLOTS;
    for (let round = 0; round < rounds; round += 1) {
      const issued = await admin.rotate(current, round % 2 === 0 ? {} : { graceSeconds: 60 }, signal);
      accessKeyId = issued.accessKeyId;
      current = harness.unseal(accessKeyId);
      harness.time += 61_000;
    }
    const { removed, slots } = await keyring();
    expect(removed).toHaveLength(KEPT_REMOVED_SLOTS);
    expect(slots.length).toBeLessThanOrEqual(MAX_KEYRING_SLOTS);
    expect(await outcome(accessKeyId)).toBe(root);
  });

  it('of one key, many times at once: one wins, the others conflict and leave nothing', async () => {
    for (const o of [{}, { graceSeconds: 60 }, { registered: true }]) {
      const { admin, caller, slotsNow, keyring, outcome, root, records } = await setup();
      const all = await Promise.allSettled(Array.from({ length: 6 }, () => admin.rotate(caller, o, signal)));
      const won = all.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
      const lost = all.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []));
      expect(won).toHaveLength(1);
      for (const error of lost) {
        const isRefused = error instanceof KeyringConflict || error?.code === 'InvalidAccessKeyId';
        expect(isRefused, String(error)).toBe(true);
      }
      expect(lost.filter((error) => error instanceof KeyringConflict).length).toBeGreaterThan(0);
      expect(await slotsNow()).toContain(won[0]?.slot);
      expect(await slotsNow()).toHaveLength('graceSeconds' in o ? 2 : 1);
      expect((await keyring()).generation).toBe(2);
      expect(await outcome(won[0]?.accessKeyId ?? '')).toBe(root);
      expect(records()).toBe('registered' in o ? 1 : 0);
    }
  });

  it('of two keys at once: both win', async () => {
    const { admin, callers, slotsNow, outcome, root } = await setup({ slots: [{}, {}] });
    const all = await Promise.all(callers.map((one) => admin.rotate(one, {}, signal)));
    expect(await slotsNow()).toEqual(all.map(({ slot }) => slot).sort());
    for (const { accessKeyId } of all) expect(await outcome(accessKeyId)).toBe(root);
  });

  it('replaces another key of the tenant by the caller’s', async () => {
    const { admin, callers, slotsNow } = await setup({ slots: [{ label: 'a' }, { label: 'b' }] });
    const [first, second] = callers;
    if (first === undefined || second === undefined) throw new Error('The fixture has two keys.');
    const rotated = await admin.rotate(first, { slot: second.slot }, signal);
    expect(await slotsNow()).toEqual([first.slot, rotated.slot].sort());
    await expect(admin.rotate(first, { slot: 'ffffffff' }, signal)).rejects.toThrow(UnknownKey);
  });

  it('that cannot be written leaves the old key, and no record of the new one', async () => {
    const { harness, admin, caller, key, outcome, root, records } = await setup();
    harness.backend.intercept = ({ method, key: name }) =>
      method === 'PUT' && name?.startsWith('p/keyrings/') === true ? failure(500, 'InternalError') : undefined;
    await expect(admin.rotate(caller, { registered: true }, signal)).rejects.toMatchObject({
      code: 'ServiceUnavailable',
    });
    harness.backend.intercept = () => undefined;
    expect([await outcome(key.accessKeyId), records()]).toEqual([root, 0]);
    expect(harness.events.map(({ kind }) => kind)).toEqual(['key-rotated', 'change-failed']);
  });
});

describe('a state that falls silent', () => {
  /**
   * The write is carried out, and its answer lost; then nothing answers for as long as `silent`. Sent again by the store's client,
   * it may meet itself: `conflicts`.
   */
  const losesAnswer = (harness: TenancyHarness, o: { silent: boolean; conflicts?: boolean }) => {
    harness.backend.intercept = (request) => {
      if (request.method !== 'PUT' || request.key?.startsWith('p/keyrings/') !== true) return undefined;
      if (Buffer.isBuffer(request.body)) harness.backend.overwrite('state', request.key, request.body);
      harness.backend.isDown = o.silent;
      if (o.conflicts === true) return failure(412, 'PreconditionFailed');
      throw new BackendUnavailable('the answer was lost');
    };
  };

  it('only for a moment: the rotation was written, and is known to have been', async () => {
    const { harness, admin, caller, outcome, root } = await setup();
    losesAnswer(harness, { silent: false });
    const rotated = await admin.rotate(caller, {}, signal);
    harness.backend.intercept = () => undefined;
    expect(await outcome(rotated.accessKeyId)).toBe(root);
  });

  it('for longer: the new key, maybe the only one by now, was told of before', async () => {
    const cases = [false, true].flatMap((registered) => [false, true].map((conflicts) => ({ registered, conflicts })));
    for (const { registered, conflicts } of cases) {
      const { harness, admin, caller, outcome, root } = await setup();
      losesAnswer(harness, { silent: true, conflicts });
      let issued: IssuedKey | undefined;
      const keep = async (key: IssuedKey) => {
        issued = key;
      };
      const error = await admin.rotate(caller, { registered, keep }, signal).catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(ChangeUncertain);
      expect(String(error)).toMatch(/not known whether/);
      expect(String(error)).not.toMatch(/SG1|SGRK/);
      harness.backend.intercept = () => undefined;
      harness.backend.isDown = false;
      expect(await outcome(issued?.accessKeyId ?? '')).toBe(root);
    }
  });
});

describe('revoke and update', () => {
  it('refuse the last key in use, unless forced', async () => {
    const { admin, callers, tenant, outcome, key, slotsNow } = await setup({
      slots: [{}, { status: 'inactive' }, { expires: '2026-01-01T00:00:00Z' }],
    });
    const slot = callers[0]?.slot ?? '';
    await expect(admin.revoke({ tenant, slot }, signal)).rejects.toThrow(LastKey);
    await expect(admin.revoke({ tenant, slot }, signal)).rejects.toThrow(/unreadable for ever/);
    await expect(admin.revoke({ tenant, slot: 'ffffffff' }, signal)).rejects.toThrow(UnknownKey);
    await admin.revoke({ tenant, slot, force: true }, signal);
    expect(await slotsNow()).toHaveLength(2);
    expect(await outcome(key.accessKeyId)).toBe('InvalidAccessKeyId');
  });

  it('take effect at once where they were made, and within the TTL elsewhere', async () => {
    const { harness, admin, callers, fixture, tenant, outcome, root, deps } = await setup({ slots: [{}, {}] });
    const other = new Tenancy({
      ...deps,
      state: new StateStore({ backend: harness.backend, bucket: 'state', prefix: 'p' }),
    });
    const [first] = fixture.keys;
    const id = first?.accessKeyId ?? '';
    expect([await outcome(id), await outcome(id, other)]).toEqual([root, root]);
    await admin.revoke({ tenant, slot: callers[0]?.slot ?? '' }, signal);
    expect([await outcome(id), await outcome(id, other)]).toEqual(['InvalidAccessKeyId', root]);
    harness.time += 60_000;
    expect(await outcome(id, other)).toBe('InvalidAccessKeyId');
  });

  it('change status, grants, expiry and label, each alone', async () => {
    const { harness, admin, caller, key, tenant, outcome, root, keyring } = await setup();
    const change = (o: Parameters<KeyAdmin['update']>[0]['change']) =>
      admin.update({ tenant, slot: caller.slot, change: o }, signal);
    await change({ status: 'inactive' });
    expect(await outcome(key.accessKeyId)).toBe('InvalidAccessKeyId');
    await change({ status: 'active', label: 'new' });
    expect(await outcome(key.accessKeyId)).toBe(root);
    const narrow = [{ bucket: 'data', prefix: 'p/q/', access: 'read-only' as const }];
    await change({ grants: narrow });
    expect((await harness.open(key.accessKeyId)).grants).toEqual(narrow);
    await change({ expires: '2026-06-01T00:00:00Z' });
    expect(await outcome(key.accessKeyId)).toBe('InvalidAccessKeyId');
    expect((await keyring()).slots[0]).toMatchObject({ label: 'new', grants: narrow, status: 'active' });
    await expect(change({ grants: [] })).rejects.toThrow(InvalidGrant);
    expect(harness.events.filter(({ kind }) => kind === 'key-changed')).toHaveLength(4);
  });
});

describe('registered ids', () => {
  it('are made, rotated, reissued and revoked with their records', async () => {
    const { admin, caller, tenant, outcome, root, records, harness } = await setup();
    const made = await admin.create(caller, { registered: true }, signal);
    expect(made.accessKeyId).toMatch(/^SGRK[A-Z2-7]{16}$/);
    expect([await outcome(made.accessKeyId), records()]).toEqual([root, 1]);

    const asKey = await harness.tenancy.resolve(made.accessKeyId, signal);
    const again = await admin.reissue(asKey, {}, signal);
    expect([await outcome(made.accessKeyId), await outcome(again.accessKeyId), records()]).toEqual([root, root, 2]);
    for (let n = 2; n < MAX_REGISTERED_IDS; n += 1) await admin.reissue(asKey, {}, signal);
    await expect(admin.reissue(asKey, {}, signal)).rejects.toThrow(TooManyIds);
    expect(records()).toBe(MAX_REGISTERED_IDS);
    const last = await admin.reissue(asKey, { dropOld: true }, signal);
    expect(records()).toBe(1);
    expect([await outcome(made.accessKeyId), await outcome(last.accessKeyId)]).toEqual(['InvalidAccessKeyId', root]);

    const rotated = await admin.rotate(await harness.tenancy.resolve(last.accessKeyId, signal), {}, signal);
    expect(rotated.accessKeyId).toMatch(/^SGRK/);
    expect([await outcome(last.accessKeyId), await outcome(rotated.accessKeyId), records()]).toEqual([
      'InvalidAccessKeyId',
      root,
      1,
    ]);
    await admin.revoke({ tenant, slot: rotated.slot }, signal);
    expect([await outcome(rotated.accessKeyId), records()]).toEqual(['InvalidAccessKeyId', 0]);
  });

  it('take the place of a sealed one, and give it back', async () => {
    const { admin, caller, key, outcome, root, harness, records } = await setup();
    const short = await admin.reissue(caller, { registered: true }, signal);
    expect([await outcome(short.accessKeyId), await outcome(key.accessKeyId)]).toEqual([root, 'InvalidAccessKeyId']);
    const long = await admin.reissue(
      await harness.tenancy.resolve(short.accessKeyId, signal),
      { registered: false },
      signal,
    );
    expect([await outcome(short.accessKeyId), await outcome(long.accessKeyId), records()]).toEqual([
      'InvalidAccessKeyId',
      root,
      0,
    ]);
  });
});

describe('seal keys', () => {
  it('rotate: ids are made anew, keyrings signed anew, and then the old one can be dropped', async () => {
    const first = newSealKeys('one');
    const [one] = first.all;
    const [two] = newSealKeys('two').all;
    if (one === undefined || two === undefined) throw new Error('There are two seal keys.');
    const { harness, admin, caller, key, tenant, deps, root, outcome } = await setup({ sealKeys: first });
    const both = new SealKeys([two, one]);
    const later = { ...deps, sealKeys: both };
    const moved = new KeyAdmin(later);
    const under = (sealKeys: SealKeys) => new Tenancy({ ...deps, sealKeys });

    expect(await outcome(key.accessKeyId, under(both))).toBe(root);
    const registered = await admin.create(caller, { registered: true }, signal);
    expect(await moved.resign(tenant, signal)).toBe(true);
    expect(await moved.resign(tenant, signal)).toBe(false);
    const { keyring } = await readKeyring(later, tenant, signal);
    expect([keyring.operatorKid, keySlots(keyring).map(({ idKid }) => idKid)]).toEqual(['two', ['one', 'one']]);
    const issued = await moved.reissue(harness.unseal(key.accessKeyId), {}, signal);
    const short = await moved.reissue(await under(both).resolve(registered.accessKeyId, signal), {}, signal);
    expect(keySlots((await readKeyring(later, tenant, signal)).keyring).map(({ idKid }) => idKid)).toEqual([
      'two',
      'two',
    ]);
    const ids = [key.accessKeyId, registered.accessKeyId, issued.accessKeyId, short.accessKeyId];
    expect(await Promise.all(ids.map((id) => outcome(id, under(both))))).toEqual([root, root, root, root]);

    const dropped = under(new SealKeys([two]));
    expect(await Promise.all(ids.map((id) => outcome(id, dropped)))).toEqual([
      'InvalidAccessKeyId',
      'InvalidAccessKeyId',
      root,
      root,
    ]);
  });
});

it('a stronger KDF is used from the next sign-in on: same key, same id, same data', async () => {
  const kdf = DEFAULT_KDFS['pbkdf2-sha256'];
  const stronger: Kdf = { ...DEFAULT_KDFS.argon2id, passes: 3 };
  const { harness, admin, caller, key, tenant, deps, outcome, root, keyring } = await setup({ slots: [{ kdf }] });
  await expect(admin.update({ tenant, slot: caller.slot, change: { kdfUpgrade: kdf } }, signal)).rejects.toThrow(
    UnsuitableTerms,
  );
  await admin.update({ tenant, slot: caller.slot, change: { kdfUpgrade: stronger, endSessions: true } }, signal);
  const done: Promise<void>[] = [];
  const failures: unknown[] = [];
  const tenancies = [0, 1].map(
    () =>
      new Tenancy({
        ...deps,
        runner: new KdfRunner(),
        onKdfDue: (signIn) => void done.push(upgradeKdf(deps, signIn, (error) => failures.push(error))),
      }),
  );
  // Two replicas at once: the request is served before, and one of the upgrades wins.
  expect(await Promise.all(tenancies.map((tenancy) => outcome(key.accessKeyId, tenancy)))).toEqual([root, root]);
  await Promise.all(done);
  expect([done.length, failures]).toEqual([2, []]);
  const [slot] = (await keyring()).slots;
  expect(slot).toMatchObject({ id: caller.slot, kdf: stronger, kdfUpgrade: null });
  expect(await outcome(key.accessKeyId)).toBe(root);
  // The first is the operator's; of the two upgrades the second finds it done.
  const of = (wanted: string) => harness.events.filter(({ kind }) => kind === wanted).length;
  expect(of('key-changed') - of('change-failed')).toBe(2);
});
