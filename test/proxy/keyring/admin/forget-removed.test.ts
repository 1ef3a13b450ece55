// Protects: a change of keys that was written is done, whatever becomes of clearing up after it: the new key is handed out and
// works. What was not cleared up holds an API key sealed under S, and goes with `sealgate gc`, which takes no record that counts.
import { describe, expect, it } from 'vitest';
import type { AccessKey } from '../../../../proxy/keyring/access-keys/access-key-id.ts';
import { collectOrphanedIds } from '../../../../proxy/keyring/access-keys/orphaned-ids.ts';
import {
  newRegisteredId,
  registeredName,
  sealRegistered,
} from '../../../../proxy/keyring/access-keys/registered-id.ts';
import type { KeyringDeps } from '../../../../proxy/keyring/admin/change-keyring.ts';
import { KeyAdmin } from '../../../../proxy/keyring/admin/key-admin.ts';
import { generateApiKey } from '../../../../proxy/keyring/slots/api-key.ts';
import { MAX_KEYRING_SLOTS, ORPHANED_ID_AGE_SECONDS } from '../../../../proxy/limits.ts';
import { makeTenant, newSealKeys } from '../../../helpers/keyring-fixture.ts';
import { failure } from '../../../helpers/state-backend.ts';
import { TenancyHarness } from '../../../helpers/tenancy-harness.ts';

const signal = new AbortController().signal;

/** A tenant of one key with a registered id, beside the one of the fixture. */
async function setup() {
  const harness = new TenancyHarness();
  harness.backend.now = () => new Date(harness.time);
  const { keyring, keys, tenant } = await makeTenant({ sealKeys: harness.sealKeys });
  harness.store(keyring);
  const deps: KeyringDeps = {
    ...harness.deps,
    generations: harness.tenancy.generations,
    onChange: (changed, generation) => harness.tenancy.noteGeneration(changed, generation),
  };
  const admin = new KeyAdmin(deps);
  const first = harness.unseal(keys[0]?.accessKeyId ?? '');
  const resolve = (id: string): Promise<AccessKey> => harness.tenancy.resolve(id, signal);
  const issued = await admin.create(first, { registered: true }, signal);
  const outcome = (id: string) =>
    resolve(id)
      .then((key) => harness.tenancy.open(key, signal))
      .then(
        () => 'opened',
        (error: unknown) => String((error as { code?: unknown }).code),
      );
  const ids = () => harness.backend.keys('state').filter((name) => name.startsWith('p/ids/'));
  const collect = (dryRun = false) => {
    const { state, sealKeys, time } = harness;
    return Array.fromAsync(collectOrphanedIds({ state, sealKeys, dryRun, now: new Date(time), signal }));
  };
  const failDeletes = () => {
    harness.backend.intercept = ({ method }) => (method === 'DELETE' ? failure(500, 'InternalError') : undefined);
  };
  const caller = await resolve(issued.accessKeyId);
  return { harness, admin, tenant, first, issued, caller, outcome, ids, collect, failDeletes };
}

type Setup = Awaited<ReturnType<typeof setup>>;

/** What each change leaves in force; undefined: nothing new. */
const CHANGES: readonly (readonly [name: string, change: (o: Setup) => Promise<string | undefined>])[] = [
  ['rotate', async ({ admin, caller }) => (await admin.rotate(caller, {}, signal)).accessKeyId],
  ['rotate to a sealed id', async (o) => (await o.admin.rotate(o.caller, { registered: false }, signal)).accessKeyId],
  ['reissue', async ({ admin, caller }) => (await admin.reissue(caller, { dropOld: true }, signal)).accessKeyId],
  ['reissue sealed', async (o) => (await o.admin.reissue(o.caller, { registered: false }, signal)).accessKeyId],
  ['revoke', async (o) => void (await o.admin.revoke({ tenant: o.tenant, slot: o.caller.slot }, signal))],
];

describe.each(CHANGES)('%s', (_, change) => {
  it('removes the record of the id that went', async () => {
    const o = await setup();
    const after = await change(o);
    expect(o.ids()).toEqual(after?.startsWith('SGRK') ? [`p/ids/${after}`] : []);
    expect(await o.outcome(o.issued.accessKeyId)).toBe('InvalidAccessKeyId');
    if (after !== undefined) expect(await o.outcome(after)).toBe('opened');
  });

  it('is done although that record cannot be removed; gc removes it later', async () => {
    const o = await setup();
    o.failDeletes();
    const after = await change(o);
    o.harness.backend.intercept = () => undefined;
    const old = `p/ids/${o.issued.accessKeyId}`;
    expect(o.ids()).toContain(old);
    // The record may still be believed for its time; the slot does not take the id.
    expect(await o.outcome(o.issued.accessKeyId)).toBe('InvalidAccessKeyId');
    if (after !== undefined) expect(await o.outcome(after)).toBe('opened');
    o.harness.time += 1000 * ORPHANED_ID_AGE_SECONDS;
    expect(await o.collect()).toEqual([{ tenant: o.tenant, slot: o.caller.slot }]);
    expect(o.ids()).not.toContain(old);
    if (after !== undefined) expect(await o.outcome(after)).toBe('opened');
  });
});

it('a key that makes room in a full keyring takes the record of its id along', async () => {
  const { harness, admin, first, issued, ids } = await setup();
  await admin.update({ tenant: first.tenant, slot: issued.slot, change: { expires: '2026-06-01T00:00:10Z' } }, signal);
  for (let n = 2; n < MAX_KEYRING_SLOTS; n += 1) await admin.create(first, {}, signal);
  expect(ids()).toEqual([`p/ids/${issued.accessKeyId}`]);
  harness.time += 10_000;
  await admin.create(first, {}, signal);
  expect(ids()).toEqual([]);
});

describe('gc', () => {
  it('takes only records that no key lists, that are old, and that it can tell whose they are', async () => {
    const { harness, tenant, issued, ids, collect } = await setup();
    const sealKey = harness.sealKeys.active;
    const [foreign] = newSealKeys('one').all;
    if (foreign === undefined) throw new Error('There is a seal key.');
    const put = (o: { tenant: string; slot?: string; key?: typeof sealKey }) => {
      const id = newRegisteredId(sealKey);
      const slot = o.slot ?? issued.slot;
      const body = sealRegistered({ id, sealKey: o.key ?? sealKey, tenant: o.tenant, slot, apiKey: generateApiKey() });
      harness.backend.overwrite('state', `p/${registeredName(id)}`, body);
      return `p/${registeredName(id)}`;
    };
    const broken = await makeTenant({ sealKeys: harness.sealKeys });
    harness.store(Buffer.from('{}'), broken.tenant);
    const gone = 'f'.repeat(24);
    // Of the key's own slot, and yet not listed; of a slot that there is not; of a tenant that there is not.
    const orphans = [put({ tenant }), put({ tenant, slot: '00000001' }), put({ tenant: gone })];
    const kept = [put({ tenant: broken.tenant }), put({ tenant, key: foreign }), `p/ids/${issued.accessKeyId}`];
    for (const name of ['p/ids/', 'p/ids/x', 'p/ids/a b+ü%/..', 'p/ids/SGRKaaaaaaaaaaaaaaaa']) {
      harness.backend.overwrite('state', name, Buffer.from('x'));
      kept.push(name);
    }
    harness.time += 1000 * ORPHANED_ID_AGE_SECONDS - 1000;
    expect(await collect()).toEqual([]);
    harness.time += 1000;
    const young = put({ tenant });
    const found = await collect(true);
    expect(found.map(({ tenant: of, slot }) => `${of}/${slot}`).sort()).toEqual(
      [`${tenant}/${issued.slot}`, `${tenant}/00000001`, `${gone}/${issued.slot}`].sort(),
    );
    expect(ids()).toEqual([...orphans, ...kept, young].sort());
    expect(await collect()).toHaveLength(3);
    expect(ids()).toEqual([...kept, young].sort());
    expect(await collect()).toEqual([]);
  });
});
