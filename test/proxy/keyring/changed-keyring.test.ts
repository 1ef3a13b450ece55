// Protects: a keyring that was changed, here or elsewhere, counts as soon as it is known; one that was put back, or is gone, opens
// nothing; and many requests of a key that is no more cause few reads.
import { describe, expect, it } from 'vitest';
import { KEYRING_TTL_SECONDS, UNKNOWN_SLOT_RECHECK_MS } from '../../../proxy/limits.ts';
import { currentRoot, makeSlot, remac, resign } from '../../helpers/keyring-fixture.ts';
import { reply } from '../../helpers/state-backend.ts';
import type { TenancyHarness } from '../../helpers/tenancy-harness.ts';
import { next, revoke, openTenancy as setup } from './tenancy-setup.ts';

const ttl = 1000 * KEYRING_TTL_SECONDS;

describe('a changed keyring', () => {
  it('stops a revoked key after the TTL, and at once when told', async () => {
    for (const wait of [
      (harness: TenancyHarness) => (harness.time += ttl),
      (harness: TenancyHarness, tenant: string) => harness.tenancy.invalidate(tenant),
    ]) {
      const { harness, fixture, id, ids } = await setup({ slots: [{}, {}] });
      expect(await Promise.all(ids.map((one) => harness.outcome(one)))).toEqual(['opened', 'opened']);
      harness.store(revoke(harness, fixture));
      expect(await harness.outcome(id)).toBe('opened');
      wait(harness, fixture.tenant);
      expect(await Promise.all(ids.map((one) => harness.outcome(one)))).toEqual(['InvalidAccessKeyId', 'opened']);
      expect(await harness.outcome(id)).toBe('InvalidAccessKeyId');
    }
  });

  it('narrows grants', async () => {
    const { harness, fixture, id } = await setup();
    await harness.open(id);
    const slots = fixture.keySlots.map((slot) => ({ ...slot, grants: [] }));
    harness.store(resign(next(fixture.keyring, { slots }), harness.sealKeys));
    harness.time += ttl;
    expect((await harness.open(id)).grants).toEqual([]);
  });

  it('does not open for the old key of a slot id that was given to another', async () => {
    const { harness, fixture, id } = await setup();
    await harness.open(id);
    const { tenant, roots, keyring } = fixture;
    const made = await makeSlot({ tenant, roots, plan: {} });
    const [old] = keyring.slots;
    const slots = [{ ...made, id: old?.id ?? '' }];
    harness.store(resign(remac(next(keyring, { slots }), currentRoot(roots)), harness.sealKeys));
    harness.tenancy.invalidate(tenant);
    expect(await harness.outcome(id)).toBe('InvalidAccessKeyId');
  });

  it('that overtook a reading makes that one read again: no rollback is seen where there was none', async () => {
    const { harness, fixture, id } = await setup({ slots: [{}, {}] });
    const old = fixture.body;
    const gate = Promise.withResolvers<void>();
    const asked = Promise.withResolvers<void>();
    harness.backend.intercept = async () => {
      asked.resolve();
      await gate.promise;
      return reply(200, old, { etag: '"old"' });
    };
    const early = harness.outcome(id);
    await asked.promise;
    harness.backend.intercept = () => undefined;
    harness.store(revoke(harness, fixture));
    harness.tenancy.invalidate(fixture.tenant);
    expect(await harness.outcome(id)).toBe('InvalidAccessKeyId');
    gate.resolve();
    expect(await early).toBe('InvalidAccessKeyId');
    expect(await harness.outcome(id)).toBe('InvalidAccessKeyId');
    expect(harness.events).toEqual([]);
  });

  it('is read at once after it was told of, unless it is known already', async () => {
    const { harness, fixture, id } = await setup();
    await harness.open(id);
    harness.tenancy.noteGeneration(fixture.tenant, fixture.keyring.generation);
    await harness.open(id);
    expect(harness.reads).toBe(1);
    harness.store(revoke(harness, fixture));
    expect(await harness.outcome(id)).toBe('opened');
    harness.tenancy.noteGeneration(fixture.tenant, fixture.keyring.generation + 1);
    expect(await harness.outcome(id)).toBe('InvalidAccessKeyId');
    expect(harness.reads).toBe(2);
  });

  it('made elsewhere is found at once for a key that the old one does not list', async () => {
    const { harness, fixture, ids } = await setup({ slots: [{}, {}] });
    const [first = '', second = ''] = ids;
    harness.store(revoke(harness, fixture));
    expect([await harness.outcome(second), harness.reads]).toEqual(['opened', 1]);
    harness.store(resign({ ...fixture.keyring, generation: fixture.keyring.generation + 2 }, harness.sealKeys));
    expect([await harness.outcome(first), harness.reads]).toEqual(['opened', 2]);
  });

  it('is read once for many requests of a revoked key, however fast they come', async () => {
    const { harness, fixture, ids } = await setup({ slots: [{}, {}] });
    const [first = '', second = ''] = ids;
    harness.store(revoke(harness, fixture));
    await harness.open(second);
    const burst = () => Promise.all(Array.from({ length: 50 }, () => harness.outcome(first)));
    for (const reads of [2, 3]) {
      harness.time += UNKNOWN_SLOT_RECHECK_MS;
      expect(new Set(await burst())).toEqual(new Set(['InvalidAccessKeyId']));
      expect(harness.reads).toBe(reads);
    }
    // The key that is listed waits for nothing.
    expect([await harness.outcome(second), harness.reads]).toEqual(['opened', 3]);
  });

  it('is read again when the reading that was under way ends after the change was told', async () => {
    const { harness, fixture, id } = await setup({ slots: [{}, {}] });
    const gate = Promise.withResolvers<void>();
    const asked = Promise.withResolvers<void>();
    harness.backend.intercept = async () => {
      asked.resolve();
      await gate.promise;
      return reply(200, fixture.body, { etag: '"old"' });
    };
    const early = harness.outcome(id);
    await asked.promise;
    harness.tenancy.invalidate(fixture.tenant);
    gate.resolve();
    expect(await early).toBe('opened');
    harness.backend.intercept = () => undefined;
    harness.store(revoke(harness, fixture));
    expect(await harness.outcome(id)).toBe('InvalidAccessKeyId');
  });

  it('that was found changed is not believed again when the clock goes back', async () => {
    const { harness, fixture, id } = await setup();
    const start = harness.time;
    await harness.open(id);
    harness.store({ ...fixture.keyring, updated: '2026-06-01T00:00:01Z' });
    harness.time += ttl;
    expect(await harness.outcome(id)).toBe('AccessDenied');
    harness.time = start + 1;
    expect(await harness.outcome(id)).toBe('AccessDenied');
  });

  it('that is gone closes the tenant', async () => {
    const { harness, fixture, id } = await setup();
    await harness.open(id);
    harness.backend.remove('state', `p/keyrings/${fixture.tenant}.json`);
    harness.time += ttl;
    expect(await harness.outcome(id)).toBe('InvalidAccessKeyId');
    expect(await harness.outcome(id)).toBe('InvalidAccessKeyId');
  });
});

describe('rollback', () => {
  it('refuses an older generation once a newer one was seen, also after invalidate and removal', async () => {
    const { harness, fixture, ids } = await setup({ slots: [{}, {}] });
    const [, id = ''] = ids;
    const newer = revoke(harness, fixture);
    harness.store(newer);
    expect(await harness.outcome(id)).toBe('opened');
    harness.store(fixture.keyring);
    harness.time += ttl;
    expect(await harness.outcome(id)).toBe('AccessDenied');
    harness.tenancy.invalidate(fixture.tenant);
    expect(await harness.outcome(id)).toBe('AccessDenied');
    harness.backend.remove('state', `p/keyrings/${fixture.tenant}.json`);
    expect(await harness.outcome(id)).toBe('InvalidAccessKeyId');
    harness.store(fixture.keyring);
    expect(await harness.outcome(id)).toBe('AccessDenied');
    expect(harness.events.map((event) => event.kind)).toEqual(Array(3).fill('keyring-rollback'));
    harness.store(newer);
    expect(await harness.outcome(id)).toBe('opened');
  });

  it('refuses another document of the same generation', async () => {
    const { harness, fixture, id } = await setup();
    await harness.open(id);
    const slots = fixture.keySlots.map((slot) => ({ ...slot, label: 'other' }));
    harness.store(resign({ ...fixture.keyring, slots }, harness.sealKeys));
    harness.time += ttl;
    expect(await harness.outcome(id)).toBe('AccessDenied');
    expect(harness.events.map((event) => event.kind)).toEqual(['keyring-rollback']);
  });

  it('is not provoked by a document without the operator’s MAC', async () => {
    const { harness, fixture, id } = await setup();
    harness.store({ ...fixture.keyring, generation: Number.MAX_SAFE_INTEGER });
    expect(await harness.outcome(id)).toBe('AccessDenied');
    harness.store(fixture.keyring);
    expect(await harness.outcome(id)).toBe('opened');
    expect(harness.events.map((event) => event.kind)).toEqual(['keyring-tampered']);
  });
});
