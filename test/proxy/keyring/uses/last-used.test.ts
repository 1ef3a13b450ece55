// Protects: the record of a key's last use. Its bytes are those of crypto/FORMAT.md, nobody without the seal key makes one up or
// moves one to another key, one that does not verify counts as none and is told of, and it goes with its key and its tenant.
import { createHash, createHmac, hkdfSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { describeKeyLines } from '../../../../proxy/cli/describe-tenant.ts';
import { resignAll } from '../../../../proxy/keyring/access-keys/seal-key-usage.ts';
import { SealKey, SealKeys } from '../../../../proxy/keyring/access-keys/seal-keys.ts';
import { deleteTenant } from '../../../../proxy/keyring/admin/delete-tenant.ts';
import { KeyAdmin } from '../../../../proxy/keyring/admin/key-admin.ts';
import { TenantAdmin } from '../../../../proxy/keyring/admin/tenant-admin.ts';
import { UnknownTenant } from '../../../../proxy/keyring/state/records.ts';
import { lastUsedName, openLastUsed, readLastUse, sealLastUsed } from '../../../../proxy/keyring/uses/last-used.ts';
import { MAX_LAST_USED_RECORD_BYTES } from '../../../../proxy/limits.ts';
import { makeTenant, newSealKeys, type SlotPlan } from '../../../helpers/keyring-fixture.ts';
import { TenancyHarness } from '../../../helpers/tenancy-harness.ts';

const signal = new AbortController().signal;
const S = Buffer.from('8f1d3c5b7a9e0214365870a9bdcefe11223f4455667a8899aabbccddeeff0910', 'hex');
const SEAL_KEY = new SealKey('one', S);
const SEAL_KEYS = new SealKeys([SEAL_KEY]);
const OF = { tenant: '00112233445566778899aabb', slot: 'c0ffee01' };
const DAY = '2026-05-31';

/** The MAC as the format document describes it, from nothing but node:crypto. */
function macBySpecification(tenant: string, slot: string, covered: string): string {
  const lp = (data: Buffer) => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(data.length);
    return Buffer.concat([length, data]);
  };
  const fields = Buffer.concat([tenant, slot].map((hex) => lp(Buffer.from(hex, 'hex'))));
  const ctx = createHash('sha256').update(fields).digest();
  const info = Buffer.concat([lp(Buffer.from('sealgate/1/last-used')), ctx]);
  const key = Buffer.from(hkdfSync('sha256', S, Buffer.alloc(0), info, 32));
  return createHmac('sha256', key).update(covered).digest('base64');
}

describe('the record', () => {
  it('has the bytes that the format document says', () => {
    const mac = macBySpecification(OF.tenant, OF.slot, `{"day":"${DAY}","format":"sealgate-last-used/1","kid":"one"}`);
    const expected = `{"day":"${DAY}","format":"sealgate-last-used/1","kid":"one","mac":"${mac}"}`;
    const body = sealLastUsed(OF, DAY, SEAL_KEY);
    expect(body.toString()).toBe(expected);
    expect(body.length).toBeLessThan(MAX_LAST_USED_RECORD_BYTES / 2);
    expect(openLastUsed(body, OF, SEAL_KEYS)?.day).toBe(DAY);
    expect(lastUsedName(OF)).toBe('used/00112233445566778899aabb/c0ffee01');
  });

  it('is refused when any byte of it is another', () => {
    const body = sealLastUsed(OF, DAY, SEAL_KEY);
    let tried = 0;
    for (let at = 0; at < body.length; at += 1) {
      for (const bit of [0x01, 0x20, 0x80]) {
        const altered = Buffer.from(body);
        altered.writeUInt8(altered.readUInt8(at) ^ bit, at);
        expect([at, bit, openLastUsed(altered, OF, SEAL_KEYS)]).toEqual([at, bit, undefined]);
        tried += 1;
      }
    }
    expect(tried).toBe(3 * body.length);
    for (let end = 0; end < body.length; end += 1) {
      expect([end, openLastUsed(body.subarray(0, end), OF, SEAL_KEYS)]).toEqual([end, undefined]);
    }
  });

  const text = sealLastUsed(OF, DAY, SEAL_KEY).toString();
  const signed = (day: string) => {
    const covered = `{"day":${JSON.stringify(day)},"format":"sealgate-last-used/1","kid":"one"}`;
    const mac = macBySpecification(OF.tenant, OF.slot, covered);
    return `${covered.slice(0, -1)},"mac":"${mac}"}`;
  };
  const refused: Readonly<Record<string, string>> = {
    'another form of the same JSON': text.replace(',', ', '),
    'a member more': text.replace('{', '{"a":1,'),
    'no JSON object': '[]',
    'a shortened MAC': text.replace(/"mac":"[^"]{8}[^"]*"/, '"mac":"AAAAAAAA"'),
    'an empty MAC': text.replace(/"mac":"[^"]*"/, '"mac":""'),
    'a day that does not exist, signed': signed('2026-02-30'),
    'no day at all, signed': signed('yesterday'),
    'more than its bytes': `${text}${' '.repeat(MAX_LAST_USED_RECORD_BYTES)}`,
    'a seal key that is not configured': sealLastUsed(OF, DAY, new SealKey('two', S)).toString(),
    "another seal key under this one's id": sealLastUsed(
      OF,
      DAY,
      new SealKey('one', Buffer.from(S).reverse()),
    ).toString(),
    "another slot's": sealLastUsed({ ...OF, slot: 'c0ffee02' }, DAY, SEAL_KEY).toString(),
    "another tenant's": sealLastUsed({ ...OF, tenant: OF.tenant.replace('0', '1') }, DAY, SEAL_KEY).toString(),
  };

  it.each(Object.entries(refused))('is refused: %s', (_what, body) => {
    expect(openLastUsed(Buffer.from(signed(DAY)), OF, SEAL_KEYS)?.day).toBe(DAY);
    expect(openLastUsed(Buffer.from(body), OF, SEAL_KEYS)).toBeUndefined();
  });
});

async function setup(o: { slots?: readonly SlotPlan[] } = {}) {
  const harness = new TenancyHarness();
  const fixture = await makeTenant({ sealKeys: harness.sealKeys, slots: o.slots ?? [{ label: 'a' }, { label: 'b' }] });
  harness.store(fixture.keyring);
  const { deps } = harness;
  const { tenant } = fixture;
  const slots = fixture.keyring.slots.map(({ id }) => id);
  const stateName = (slot: string) => `p/${lastUsedName({ tenant, slot })}`;
  const write = (slot: string, day: string, sealKey = harness.sealKeys.active) =>
    harness.backend.overwrite('state', stateName(slot), sealLastUsed({ tenant, slot }, day, sealKey));
  const recorded = () => harness.backend.keys('state').filter((name) => name.startsWith('p/used/'));
  const [first = '', second = ''] = slots;
  return { harness, fixture, deps, tenant, first, second, slots, stateName, write, recorded };
}

describe('what is shown', () => {
  it('is the day, or null and why, to the operator in text and JSON', async () => {
    const { harness, deps, tenant, first, second, write, stateName } = await setup();
    write(first, DAY);
    const shown = await new KeyAdmin(deps).list(tenant, signal);
    const of = (slot: string) => shown.find((key) => key.slot === slot);
    expect(of(first)).toMatchObject({ lastUsed: DAY, lastUsedNote: null });
    expect(of(second)).toMatchObject({ lastUsed: null, lastUsedNote: 'not recorded' });
    const lines = shown.flatMap(describeKeyLines).filter((line) => line.includes('last used'));
    expect(lines.sort()).toEqual([`  last used ${DAY}`, '  last used not recorded']);
    expect((await new TenantAdmin(deps).show(tenant)).keys).toEqual(shown);
    expect(harness.events).toEqual([]);

    // What was made for one key says nothing of another, and that somebody tried is told.
    const copied = harness.backend.stored('state', stateName(first));
    if (copied === undefined) throw new Error('The record is there.');
    harness.backend.overwrite('state', stateName(second), copied);
    const again = (await new KeyAdmin(deps).list(tenant, signal)).find((key) => key.slot === second);
    expect(again?.lastUsed).toBeNull();
    expect(again?.lastUsedNote).toContain('does not verify');
    expect(harness.events).toMatchObject([{ kind: 'last-used-tampered', tenant }]);
  });

  it('costs one GET for each key, and no write', async () => {
    const { harness, deps, tenant } = await setup();
    const mark = harness.backend.requests.length;
    await new KeyAdmin(deps).list(tenant, signal);
    expect(harness.backend.requests.slice(mark).map(({ method }) => method)).toEqual(['GET', 'GET', 'GET']);
  });
});

describe('a record goes', () => {
  it('with a key that is revoked, and no other key’s', async () => {
    const { deps, tenant, first, second, write, recorded, stateName } = await setup();
    write(first, DAY);
    write(second, DAY);
    await new KeyAdmin(deps).revoke({ tenant, slot: first }, signal);
    expect(recorded()).toEqual([stateName(second)]);
  });

  it('with a key that is rotated out', async () => {
    const { harness, fixture, deps, write, recorded } = await setup({ slots: [{ label: 'only' }] });
    const [key] = fixture.keys;
    const caller = harness.unseal(key?.accessKeyId ?? '');
    write(caller.slot, DAY);
    await new KeyAdmin(deps).rotate(caller, {}, signal);
    expect(recorded()).toEqual([]);
  });

  it('without a delete where there is none, so that a versioned bucket gets no delete marker', async () => {
    const { harness, deps, tenant, first } = await setup();
    await new KeyAdmin(deps).revoke({ tenant, slot: first }, signal);
    expect(harness.backend.requests.filter(({ method }) => method === 'DELETE')).toEqual([]);
  });

  it('and a revocation holds when removing it fails', async () => {
    const { harness, deps, tenant, first, write, slots } = await setup();
    write(first, DAY);
    let asked = 0;
    harness.backend.intercept = ({ key }) => {
      if (key?.startsWith('p/used/') !== true) return undefined;
      asked += 1;
      throw new Error('broken');
    };
    await new KeyAdmin(deps).revoke({ tenant, slot: first }, signal);
    expect(asked).toBeGreaterThan(0);
    harness.backend.intercept = () => undefined;
    const left = (await new KeyAdmin(deps).list(tenant, signal)).map(({ slot }) => slot);
    expect(left).toEqual(slots.filter((slot) => slot !== first));
  });

  it('with its tenant, also when an earlier attempt went no further than the keyring', async () => {
    const { harness, deps, tenant, first, write, recorded } = await setup();
    write(first, DAY);
    write('deadbeef', DAY);
    const other = `p/${lastUsedName(OF)}`;
    harness.backend.overwrite('state', other, sealLastUsed(OF, DAY, SEAL_KEY));
    await deleteTenant(deps, harness.backend, tenant, signal);
    expect(recorded()).toEqual([other]);
    write(first, DAY);
    await deleteTenant(deps, harness.backend, tenant, signal);
    expect(recorded()).toEqual([other]);
    await expect(deleteTenant(deps, harness.backend, tenant, signal)).rejects.toThrow(UnknownTenant);
  });
});

it('moves to the active seal key with the keyrings, and is worth nothing once its seal key is dropped', async () => {
  const { harness, deps, tenant, first, second, write } = await setup();
  write(first, DAY);
  const [old] = harness.sealKeys.all;
  const [active] = newSealKeys('two').all;
  if (old === undefined || active === undefined) throw new Error('There are two seal keys.');
  const both = { ...deps, sealKeys: new SealKeys([active, old]) };
  expect(await resignAll(both, signal)).toMatchObject({ keyrings: 1, records: 1, tampered: [] });
  expect(await resignAll(both, signal)).toMatchObject({ keyrings: 0, records: 0 });
  const later = { ...deps, sealKeys: new SealKeys([active]) };
  expect((await readLastUse(later, { tenant, slot: first }, signal)).day).toBe(DAY);
  write(second, DAY, old);
  expect((await readLastUse(later, { tenant, slot: second }, signal)).day).toBeNull();
});
