// Protects: a tenant that was made opens with the key that was shown, and what is stored, shown or emitted holds no key.
import { describe, expect, it } from 'vitest';
import { TenantAdmin } from '../../../../proxy/keyring/admin/tenant-admin.ts';
import { InvalidGrant, parseGrant } from '../../../../proxy/keyring/grants.ts';
import { DEFAULT_KDFS, isKdfName } from '../../../../proxy/keyring/slots/kdf.ts';
import { KeyringMalformed } from '../../../../proxy/keyring/state/document.ts';
import { KeyringTampered, UnknownTenant } from '../../../../proxy/keyring/state/records.ts';
import { CREATED, makeTenant, newSealKeys } from '../../../helpers/keyring-fixture.ts';
import { failure, reply } from '../../../helpers/state-backend.ts';
import { TenancyHarness } from '../../../helpers/tenancy-harness.ts';

const grants = [parseGrant({ bucket: 'data', prefix: 'p/' }), parseGrant({ bucket: '*', access: 'read-only' })];

async function setup() {
  const harness = new TenancyHarness();
  await harness.state.ensureBucket(new AbortController().signal);
  const { state, sealKeys, events, runner } = harness;
  const admin = new TenantAdmin({
    state,
    sealKeys,
    record: (event) => void events.push(event),
    now: () => new Date(harness.time),
    runner,
  });
  return { harness, admin };
}

async function rows<T>(list: AsyncIterable<T>): Promise<readonly T[]> {
  const all: T[] = [];
  for await (const row of list) all.push(row);
  return all;
}

describe('create', () => {
  it.each(Object.keys(DEFAULT_KDFS).filter(isKdfName))('with %s: opens, and leaves no key behind', async (kdf) => {
    const { harness, admin } = await setup();
    const made = await admin.create({ grants, label: 'laptop', kdf });
    expect(made.accessKeyId).toHaveLength(107);
    expect(made.secretAccessKey).toHaveLength(43);
    const open = await harness.open(made.accessKeyId);
    expect(open).toMatchObject({ id: made.tenant, grants, epoch: 1 });
    expect(harness.unseal(made.accessKeyId).signingSecret.bytes().toString()).toBe(`AWS4${made.secretAccessKey}`);
    expect(harness.events).toEqual([
      { kind: 'tenant-created', tenant: made.tenant, detail: expect.stringContaining(kdf) },
    ]);

    const root = open.root(1)?.export();
    if (root === undefined) throw new Error('There is no root key.');
    const keys = [
      Buffer.from(made.secretAccessKey),
      Buffer.from(made.secretAccessKey, 'base64url'),
      root,
      Buffer.from(made.accessKeyId),
    ];
    const shown = JSON.stringify([harness.events, await rows(admin.list()), await admin.show(made.tenant)]);
    const seen = Buffer.concat([harness.backend.everything(), Buffer.from(shown)]);
    expect(seen.includes(made.tenant)).toBe(true);
    let searched = 0;
    for (const key of keys) {
      for (const form of [
        key,
        ...(['hex', 'base64', 'base64url'] as const).map((encoding) =>
          Buffer.from(key.toString(encoding).replace(/=+$/, '')),
        ),
      ]) {
        expect(seen.includes(form)).toBe(false);
        searched += 1;
      }
    }
    expect(searched).toBe(16);
  });

  it('makes tenants that do not open each other', async () => {
    const { harness, admin } = await setup();
    const [a, b] = [await admin.create({ grants }), await admin.create({ grants })];
    const roots = await Promise.all(
      [a, b].map(async ({ accessKeyId }) => (await harness.open(accessKeyId)).root(1)?.export().toString('hex')),
    );
    expect(new Set([...roots, a.tenant, b.tenant, a.secretAccessKey, b.secretAccessKey]).size).toBe(6);
  });

  it('refuses no grant, the state bucket, and bounds', async () => {
    const { harness, admin } = await setup();
    await expect(admin.create({ grants: [] })).rejects.toThrow(InvalidGrant);
    await expect(admin.create({ grants: [parseGrant({ bucket: 'state' })] })).rejects.toThrow(InvalidGrant);
    const [grant] = grants;
    if (grant === undefined) throw new Error('There is no grant.');
    await expect(admin.create({ grants: Array(101).fill(grant) })).rejects.toThrow(KeyringMalformed);
    await expect(admin.create({ grants, label: 'x'.repeat(65) })).rejects.toThrow(KeyringMalformed);
    await expect(admin.create({ grants: [{ ...grant, bucket: 'A' }] })).rejects.toThrow(KeyringMalformed);
    expect(harness.backend.keys('state')).toEqual([]);
    expect(harness.events).toEqual([]);
  });

  it('fails with 503 and shows no key when the state cannot be written', async () => {
    const { harness, admin } = await setup();
    harness.backend.isDown = true;
    await expect(admin.create({ grants })).rejects.toMatchObject({ code: 'ServiceUnavailable' });
    expect(harness.events.map(({ kind }) => kind)).toEqual(['tenant-created', 'change-failed']);
  });

  it('knows its own write when the backend answers the second sending with a conflict', async () => {
    const { harness, admin } = await setup();
    harness.backend.intercept = (request) => {
      if (request.method !== 'PUT' || request.key === undefined || !Buffer.isBuffer(request.body)) return undefined;
      harness.backend.overwrite('state', request.key, request.body);
      return failure(412, 'PreconditionFailed');
    };
    const made = await admin.create({ grants });
    expect(await harness.outcome(made.accessKeyId)).toBe('opened');
  });

  it('fails when the conflict was with another write', async () => {
    const { harness, admin } = await setup();
    harness.backend.intercept = (request) =>
      request.method === 'PUT' ? failure(412, 'PreconditionFailed') : undefined;
    await expect(admin.create({ grants })).rejects.toMatchObject({ code: 'ServiceUnavailable' });
    expect(harness.events.map(({ kind }) => kind)).toEqual(['tenant-created', 'change-failed']);
  });
});

describe('list and show', () => {
  it('show what the operator decided', async () => {
    const { harness, admin } = await setup();
    const made = await admin.create({ grants, label: 'laptop', name: 'billing' });
    const created = '2026-06-01T00:00:00Z';
    expect(await rows(admin.list())).toEqual([
      {
        tenant: made.tenant,
        status: 'ok',
        name: 'billing',
        created,
        updated: created,
        generation: 1,
        keys: 1,
        sealKey: 'one',
        serverManaged: false,
        labels: ['laptop'],
        grants,
        lastUsed: null,
        escrowed: false,
      },
    ]);
    expect(await admin.show(made.tenant)).toEqual({
      tenant: made.tenant,
      name: 'billing',
      created,
      updated: created,
      generation: 1,
      sealKey: harness.sealKeys.active.kid,
      serverManaged: false,
      requiresKms: false,
      epochs: [{ created, epoch: 1, state: 'current' }],
      keys: [
        {
          slot: harness.unseal(made.accessKeyId).slot,
          status: 'active',
          label: 'laptop',
          created,
          expires: null,
          kdf: { name: 'hkdf-sha256' },
          kdfUpgrade: null,
          lastUsed: null,
          lastUsedNote: 'not recorded',
          policy: null,
          kms: null,
          accessKeyId: 'sealed',
          registeredIds: 0,
          serverManaged: false,
          idSealKey: 'one',
          grants,
        },
      ],
      otherSlots: [],
      removedKeys: [],
    });
  });

  it('call a tenant with a registered access key id server-managed, and the key too', async () => {
    const { harness, admin } = await setup();
    const slots = [{ accessKeyId: 'registered' as const, registeredIds: ['SGRKAAAAAAAAAAAAAAAA'] }, {}];
    const fixture = await makeTenant({ sealKeys: harness.sealKeys, slots });
    harness.store(fixture.keyring);
    expect(await rows(admin.list())).toMatchObject([{ serverManaged: true }]);
    const details = await admin.show(fixture.tenant);
    expect(details.serverManaged).toBe(true);
    const managed = details.keys.map((key) => [key.serverManaged, key.registeredIds]);
    expect(managed.sort()).toEqual([
      [false, 0],
      [true, 1],
    ]);
    expect(JSON.stringify(details)).not.toContain('SGRK');
  });

  it('count expired and inactive keys out and name removed ones', async () => {
    const { harness, admin } = await setup();
    const removed = [{ digest: '00'.repeat(32), id: '00000001', removed: CREATED, type: 'api-key' as const }];
    const fixture = await makeTenant({
      sealKeys: harness.sealKeys,
      slots: [{ expires: '2026-06-01T00:00:00Z' }, {}, { status: 'inactive' }],
      removed,
    });
    harness.store(fixture.keyring);
    expect(await rows(admin.list())).toMatchObject([{ tenant: fixture.tenant, keys: 1 }]);
    const details = await admin.show(fixture.tenant);
    expect(details.keys.map((key) => key.status).sort()).toEqual(['active', 'expired', 'inactive']);
    expect(details.removedKeys).toEqual([{ slot: '00000001', removed: CREATED }]);
  });

  it('keep going past a keyring that does not verify, and past what is no keyring', async () => {
    const { harness, admin } = await setup();
    const good = await makeTenant({ sealKeys: harness.sealKeys });
    const bad = await makeTenant({ sealKeys: newSealKeys('one') });
    for (const { keyring } of [good, bad]) harness.store(keyring);
    harness.backend.overwrite('state', 'p/keyrings/README', Buffer.from('hello'));
    harness.backend.overwrite('state', 'p/uploads/x', Buffer.from('hello'));
    const byTenant = new Map((await rows(admin.list())).map((row) => [row.tenant, row.status]));
    expect(Object.fromEntries(byTenant)).toEqual({ [good.tenant]: 'ok', [bad.tenant]: 'tampered' });
    expect(harness.events.map((event) => [event.kind, event.tenant])).toEqual([['keyring-tampered', bad.tenant]]);
    await expect(admin.show(bad.tenant)).rejects.toThrow(KeyringTampered);
  });

  it('know no tenant that is not there, or is no id', async () => {
    const { harness, admin } = await setup();
    await expect(admin.show('ab'.repeat(12))).rejects.toThrow(UnknownTenant);
    const reads = harness.reads;
    for (const id of ['', '../x', 'AB'.repeat(12)]) await expect(admin.show(id)).rejects.toThrow(UnknownTenant);
    expect(harness.reads).toBe(reads);
  });

  it('fail with 503 when the state does not answer', async () => {
    const { harness, admin } = await setup();
    harness.backend.intercept = () => reply(500);
    await expect(rows(admin.list())).rejects.toMatchObject({ code: 'ServiceUnavailable' });
    await expect(admin.show('ab'.repeat(12))).rejects.toMatchObject({ code: 'ServiceUnavailable' });
  });
});
