// Protects: every change of a keyring starts from what stands in the state, keeps both MACs true, loses no other change, and
// fails as a whole when it no longer fits.
import { describe, expect, it } from 'vitest';
import { unsealAccessKeyId } from '../../../../proxy/keyring/access-keys/access-key-id.ts';
import {
  changeKeyring,
  KeyringConflict,
  type KeyringDeps,
  openKeyring,
  readKeyring,
} from '../../../../proxy/keyring/admin/change-keyring.ts';
import { slotOf, withoutSlot, withTerms } from '../../../../proxy/keyring/admin/edit-slots.ts';
import type { OperatorTerms } from '../../../../proxy/keyring/slots/slot-terms.ts';
import { keySlotOf, keySlots } from '../../../../proxy/keyring/slots/slot-types.ts';
import type { Keyring } from '../../../../proxy/keyring/state/document.ts';
import { Generations } from '../../../../proxy/keyring/state/generations.ts';
import { KeyringTampered, UnknownTenant } from '../../../../proxy/keyring/state/records.ts';
import { KEPT_REMOVED_SLOTS, KEYRING_CHANGE_ATTEMPTS } from '../../../../proxy/limits.ts';
import { CREATED, makeSlot, makeTenant, newSealKeys, resign } from '../../../helpers/keyring-fixture.ts';
import { failure } from '../../../helpers/state-backend.ts';
import { TenancyHarness } from '../../../helpers/tenancy-harness.ts';

const signal = new AbortController().signal;

async function setup(o: { versioned?: boolean } = {}) {
  const harness = new TenancyHarness();
  harness.backend.isVersioned = o.versioned ?? false;
  const fixture = await makeTenant({ sealKeys: harness.sealKeys, slots: [{}, {}] });
  harness.store(fixture.keyring);
  const changes: [string, number][] = [];
  const deps: KeyringDeps = {
    ...harness.deps,
    onChange: (tenant, generation) => void changes.push([tenant, generation]),
  };
  const [first, second] = fixture.keys.map((key) => ({
    ...key,
    key: unsealAccessKeyId(key.accessKeyId, harness.sealKeys),
  }));
  if (first === undefined || second === undefined) throw new Error('The fixture has two keys.');
  return { harness, fixture, deps, changes, first, second, tenant: fixture.tenant };
}

const relabelled = (slot: string, label: string) => (keyring: Keyring) => withTerms(keyring, slot, { label });

const without = (slot: string) => (keyring: Keyring) => {
  if (keySlotOf(keyring, slot) === undefined) throw new KeyringConflict(keyring.tenant);
  return withoutSlot(keyring, slot, new Date(CREATED));
};

const EVENT = { kind: 'key-changed', detail: 'by a test' } as const;

describe('read', () => {
  it('knows no tenant that is not there, and believes nothing that S did not sign', async () => {
    const { harness, fixture, deps, tenant } = await setup();
    await expect(readKeyring(deps, 'ab'.repeat(12), signal)).rejects.toThrow(UnknownTenant);
    await expect(readKeyring(deps, '../x', signal)).rejects.toThrow(UnknownTenant);
    harness.store(resign(fixture.keyring, newSealKeys('one')));
    await expect(readKeyring(deps, tenant, signal)).rejects.toThrow(KeyringTampered);
    expect(harness.events.map((event) => [event.kind, event.tenant])).toEqual([['keyring-tampered', tenant]]);
  });

  it('in a process that saw a newer one, takes no older keyring as the base of a change', async () => {
    const { harness, fixture, deps, tenant, first } = await setup();
    const remembering = { ...deps, generations: new Generations() };
    await changeKeyring(remembering, tenant, relabelled(first.slot, 'a'), { signal, event: EVENT });
    harness.store(fixture.keyring);
    await expect(
      changeKeyring(remembering, tenant, relabelled(first.slot, 'b'), { signal, event: EVENT }),
    ).rejects.toThrow(KeyringTampered);
    expect(harness.backend.stored('state', `p/keyrings/${tenant}.json`)).toEqual(fixture.body);
  });
});

describe('open', () => {
  it('reads the state every time, and gives every root key', async () => {
    const { harness, fixture, deps, first } = await setup();
    for (const reads of [1, 2]) {
      const opened = await openKeyring(deps, first.key, signal);
      expect(opened.slot.id).toBe(first.slot);
      expect(opened.roots.get(1)?.equals(fixture.roots.get(1) as never)).toBe(true);
      expect(harness.reads).toBe(reads);
    }
  });

  it('refuses an inactive or expired slot, an unknown tenant and a removed slot before any KDF', async () => {
    const { harness, deps, first, second, tenant } = await setup();
    const terms = (change: Partial<OperatorTerms>) => (keyring: Keyring) => withTerms(keyring, first.slot, change);
    const refused = async () =>
      expect(openKeyring(deps, first.key, signal)).rejects.toMatchObject({ code: 'InvalidAccessKeyId' });
    await changeKeyring(deps, tenant, terms({ status: 'inactive' }), { signal, event: EVENT });
    await refused();
    await changeKeyring(deps, tenant, terms({ status: 'active', expires: '2026-01-01T00:00:00Z' }), {
      signal,
      event: EVENT,
    });
    await refused();
    await changeKeyring(deps, tenant, without(first.slot), { signal, event: EVENT });
    await refused();
    harness.backend.remove('state', `p/keyrings/${tenant}.json`);
    await refused();
    expect(harness.runner.runs).toBe(0);
    expect(second.slot).not.toBe(first.slot);
  });

  it('notices a root MAC that does not hold', async () => {
    const { harness, fixture, deps, first } = await setup();
    harness.store(resign({ ...fixture.keyring, rootMac: Buffer.alloc(32).toString('base64') }, harness.sealKeys));
    await expect(openKeyring(deps, first.key, signal)).rejects.toThrow(KeyringTampered);
    expect(harness.events.map((event) => event.kind)).toEqual(['keyring-tampered']);
  });
});

describe('change by the operator', () => {
  it('counts the generation, tells of the change, and every slot still opens', async () => {
    const { harness, deps, changes, first, second, tenant } = await setup();
    await changeKeyring(deps, tenant, relabelled(first.slot, 'laptop'), { signal, event: EVENT });
    const { keyring } = await changeKeyring(deps, tenant, without(second.slot), { signal, event: EVENT });
    expect([keyring.generation, keyring.updated]).toEqual([3, '2026-06-01T00:00:00Z']);
    expect(changes).toEqual([
      [tenant, 2],
      [tenant, 3],
    ]);
    expect(await harness.outcome(first.accessKeyId)).toBe('opened');
    expect(await harness.outcome(second.accessKeyId)).toBe('InvalidAccessKeyId');
  });

  it('writes nothing when there is nothing to do', async () => {
    const { harness, deps, changes, tenant } = await setup();
    await changeKeyring(deps, tenant, () => undefined, { signal, event: EVENT });
    expect(harness.backend.requests.filter(({ method }) => method === 'PUT')).toEqual([]);
    expect(changes).toEqual([]);
  });

  it('cannot do what the root MAC forbids', async () => {
    const { fixture, deps, tenant, first } = await setup();
    const added = await makeSlot({ tenant, roots: fixture.roots, plan: {} });
    const forbidden: readonly ((keyring: Keyring) => Keyring)[] = [
      (keyring) => ({ ...keyring, slots: [...keyring.slots, added].sort((a, b) => (a.id < b.id ? -1 : 1)) }),
      (keyring) => ({ ...keyring, slots: keyring.slots.filter((one) => one.id !== first.slot) }),
      (keyring) => ({ ...keyring, epochs: [{ created: CREATED, epoch: 2, state: 'current' as const }] }),
    ];
    for (const change of forbidden)
      await expect(changeKeyring(deps, tenant, change, { signal, event: EVENT })).rejects.toThrow(TypeError);
  });

  it('of several at once loses none', async () => {
    const { harness, fixture, deps, tenant, first } = await setup();
    const add = (bucket: string) => (keyring: Keyring) => {
      const { id, grants } = slotOf(keyring, first.slot);
      return withTerms(keyring, id, { grants: [...grants, { bucket, prefix: '', access: 'read-only' }] });
    };
    // In the worst case the last one has to wait for all others.
    const names = Array.from({ length: KEYRING_CHANGE_ATTEMPTS - 1 }, (_, index) => `bucket-${index}`);
    await Promise.all(names.map((name) => changeKeyring(deps, tenant, add(name), { signal, event: EVENT })));
    const { keyring } = await readKeyring(deps, tenant, signal);
    const grants = slotOf(keyring, first.slot).grants.map(({ bucket }) => bucket);
    expect(grants.toSorted()).toEqual(['data', ...names].sort());
    expect(keyring.generation).toBe(fixture.keyring.generation + names.length);
    expect(await harness.outcome(first.accessKeyId)).toBe('opened');
  });

  it('gives up when it never comes through', async () => {
    const { harness, deps, tenant, first } = await setup();
    harness.backend.intercept = ({ method }) => (method === 'PUT' ? failure(412, 'PreconditionFailed') : undefined);
    await expect(changeKeyring(deps, tenant, relabelled(first.slot, 'a'), { signal, event: EVENT })).rejects.toThrow(
      KeyringConflict,
    );
    expect(harness.backend.requests.filter(({ method }) => method === 'PUT')).toHaveLength(KEYRING_CHANGE_ATTEMPTS);
  });

  it('knows its own write when the backend answers the second sending with a conflict', async () => {
    const { harness, deps, tenant, first, changes } = await setup();
    harness.backend.intercept = (request) => {
      if (request.method !== 'PUT' || request.key === undefined || !Buffer.isBuffer(request.body)) return undefined;
      harness.backend.overwrite('state', request.key, request.body);
      return failure(412, 'PreconditionFailed');
    };
    const { keyring } = await changeKeyring(deps, tenant, relabelled(first.slot, 'a'), { signal, event: EVENT });
    expect([keyring.generation, changes]).toEqual([2, [[tenant, 2]]]);
  });

  it('leaves no older version of the keyring where the bucket is versioned', async () => {
    const { harness, deps, tenant, first } = await setup({ versioned: true });
    for (const label of ['a', 'b', 'c'])
      await changeKeyring(deps, tenant, relabelled(first.slot, label), { signal, event: EVENT });
    expect(harness.backend.versions('state', `p/keyrings/${tenant}.json`)).toBe(1);
  });
});

describe('change with the root keys', () => {
  it('adds a slot and forgets the oldest removed ones', async () => {
    const { harness, fixture, deps, tenant, first } = await setup();
    const removed = Array.from({ length: 1000 }, (_, index) => ({
      digest: '00'.repeat(32),
      id: index.toString(16).padStart(8, '0'),
      removed: new Date(Date.parse(CREATED) + 1000 * ((index * 7) % 1000)).toISOString().replace('.000', ''),
      type: 'api-key' as const,
    }));
    const full = await makeTenant({ sealKeys: harness.sealKeys, tenant, slots: [{ apiKey: first.apiKey }], removed });
    harness.store(full.keyring);
    const [key] = full.keys.map(({ accessKeyId }) => unsealAccessKeyId(accessKeyId, harness.sealKeys));
    if (key === undefined) throw new Error('The fixture has a key.');
    const opened = await openKeyring(deps, key, signal);
    const slot = await makeSlot({ tenant, roots: opened.roots, plan: {} });
    const add = (keyring: Keyring) => ({
      ...keyring,
      slots: [...keyring.slots, slot].sort((a, b) => (a.id < b.id ? -1 : 1)),
    });
    const { keyring } = await changeKeyring(deps, opened, add, { signal, event: EVENT });
    expect(keyring.slots).toHaveLength(2);
    const newest = removed.toSorted((a, b) => (a.removed < b.removed ? 1 : -1)).slice(0, KEPT_REMOVED_SLOTS);
    expect(new Set(keyring.removed.map(({ id }) => id))).toEqual(new Set(newest.map(({ id }) => id)));
    expect(await harness.outcome(full.keys[0]?.accessKeyId ?? '')).toBe('opened');
    expect(fixture.tenant).toBe(tenant);
  });

  it('is applied again after a change of something else, and conflicts when its own slot went away', async () => {
    const { harness, deps, tenant, first, second } = await setup();
    const opened = await openKeyring(deps, first.key, signal);
    await changeKeyring(deps, tenant, relabelled(second.slot, 'theirs'), { signal, event: EVENT });
    const { keyring } = await changeKeyring(deps, opened, relabelled(first.slot, 'mine'), { signal, event: EVENT });
    const labels = Object.fromEntries(keySlots(keyring).map(({ id, label }) => [id, label]));
    expect(labels).toEqual({ [first.slot]: 'mine', [second.slot]: 'theirs' });

    await changeKeyring(deps, tenant, without(first.slot), { signal, event: EVENT });
    await expect(changeKeyring(deps, opened, relabelled(second.slot, 'x'), { signal, event: EVENT })).rejects.toThrow(
      KeyringConflict,
    );
    expect(await harness.outcome(second.accessKeyId)).toBe('opened');
  });

  it('makes no MAC over a keyring that somebody with S alone put in between', async () => {
    const { harness, fixture, deps, tenant, first } = await setup();
    const opened = await openKeyring(deps, first.key, signal);
    const added = await makeSlot({ tenant, roots: fixture.roots, plan: {} });
    const slots = [...fixture.keyring.slots, added].sort((a, b) => (a.id < b.id ? -1 : 1));
    harness.store(resign({ ...fixture.keyring, slots, generation: 2 }, harness.sealKeys));
    await expect(changeKeyring(deps, opened, relabelled(first.slot, 'x'), { signal, event: EVENT })).rejects.toThrow(
      KeyringTampered,
    );
    expect(harness.events.map((event) => event.kind)).toEqual(['key-changed', 'keyring-tampered', 'change-failed']);
  });
});
