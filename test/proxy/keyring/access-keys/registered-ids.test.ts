// Protects: a registered access key id costs nothing to refuse when it was made up, opens only its own record under S, counts
// only while its slot lists it, and is never answered from an old look-up when the state is away.
import { describe, expect, it } from 'vitest';
import {
  isRegisteredId,
  newRegisteredId,
  openRegistered,
  registeredName,
  sealKeyOfId,
  sealRegistered,
} from '../../../../proxy/keyring/access-keys/registered-id.ts';
import type { SealKeys } from '../../../../proxy/keyring/access-keys/seal-keys.ts';
import { apiKeyFromText, generateApiKey, MAX_REGISTERED_RAW_BYTES } from '../../../../proxy/keyring/slots/api-key.ts';
import { KEYRING_TTL_SECONDS } from '../../../../proxy/limits.ts';
import { makeTenant, newSealKeys, resign } from '../../../helpers/keyring-fixture.ts';
import { TenancyHarness } from '../../../helpers/tenancy-harness.ts';

const signal = new AbortController().signal;

async function setup(o: { sealKeys?: SealKeys } = {}) {
  const harness = new TenancyHarness(o);
  const { active } = harness.sealKeys;
  const id = newRegisteredId(active);
  const fixture = await makeTenant({
    sealKeys: harness.sealKeys,
    slots: [{ accessKeyId: 'registered', registeredIds: [id] }],
  });
  harness.store(fixture.keyring);
  const [key] = fixture.keys;
  if (key === undefined) throw new Error('The fixture has a key.');
  const { tenant } = fixture;
  const put = (body: Buffer, name = id) => harness.backend.overwrite('state', `p/${registeredName(name)}`, body);
  const record = sealRegistered({ id, sealKey: active, tenant, slot: key.slot, apiKey: key.apiKey });
  put(record);
  const outcome = async (accessKeyId: string) =>
    harness.tenancy
      .resolve(accessKeyId, signal)
      .then((accessKey) => harness.tenancy.open(accessKey, signal))
      .then(
        () => 'opened',
        (error: unknown) => (error as { code?: unknown }).code,
      );
  return { harness, fixture, id, key, record, put, outcome, active };
}

describe('ids', () => {
  it('have 20 characters that every client takes, and no two are alike', () => {
    const [sealKey] = newSealKeys('one').all;
    if (sealKey === undefined) throw new Error('There is a seal key.');
    const ids = Array.from({ length: 200 }, () => newRegisteredId(sealKey));
    for (const id of ids) expect(id).toMatch(/^SGRK[A-Z2-7]{16}$/);
    expect(new Set(ids).size).toBe(200);
  });

  it('are known by their seal key, and every changed character is noticed', () => {
    const sealKeys = newSealKeys('one', 'two');
    const [first, second] = sealKeys.all;
    if (first === undefined || second === undefined) throw new Error('There are two seal keys.');
    const id = newRegisteredId(second);
    expect(sealKeyOfId(id, sealKeys)).toBe(second);
    expect(sealKeyOfId(id, newSealKeys('one', 'two'))).toBeUndefined();
    let changed = 0;
    for (let at = 4; at < 20; at += 1) {
      const other = `${id.slice(0, at)}${id[at] === 'A' ? 'B' : 'A'}${id.slice(at + 1)}`;
      expect([at, isRegisteredId(other), sealKeyOfId(other, sealKeys)]).toEqual([at, true, undefined]);
      changed += 1;
    }
    expect(changed).toBe(16);
  });
});

describe('records', () => {
  it('take secrets of every length, and open under their own id, S and nothing else', () => {
    const sealKeys = newSealKeys('one');
    const { active: sealKey } = sealKeys;
    const [id, other] = [newRegisteredId(sealKey), newRegisteredId(sealKey)];
    const o = { sealKey, tenant: 'ab'.repeat(12), slot: 'cd'.repeat(4) };
    const lengths = [1, 40, 47, 48, 60, 61, 200];
    for (const length of lengths) {
      const apiKey = apiKeyFromText('x'.repeat(length), { maxRawBytes: MAX_REGISTERED_RAW_BYTES });
      const record = sealRegistered({ ...o, id, apiKey });
      expect(openRegistered(record, id, sealKeys)).toMatchObject({ tenant: o.tenant, slot: o.slot, apiKey });
      expect(openRegistered(record, other, sealKeys)).toBeUndefined();
      expect(openRegistered(record, id, newSealKeys('one'))).toBeUndefined();
    }
    const record = sealRegistered({ ...o, id, apiKey: generateApiKey() });
    for (let at = 0; at < record.length; at += 1) {
      const changed = Buffer.from(record);
      changed.writeUInt8(changed.readUInt8(at) ^ 1, at);
      expect(openRegistered(changed, id, sealKeys)).toBeUndefined();
      expect(openRegistered(record.subarray(0, at), id, sealKeys)).toBeUndefined();
    }
  });
});

describe('look-up', () => {
  it('opens the tenant, and asks for the record once in its time', async () => {
    const { harness, id, outcome } = await setup();
    const asked = () => harness.backend.requests.filter(({ key }) => key?.startsWith('p/ids/')).length;
    expect(await Promise.all([outcome(id), outcome(id), outcome(id)])).toEqual(['opened', 'opened', 'opened']);
    expect(asked()).toBe(1);
    harness.time += 1000 * KEYRING_TTL_SECONDS - 1;
    expect([await outcome(id), asked()]).toEqual(['opened', 1]);
    harness.time += 1;
    expect([await outcome(id), asked()]).toEqual(['opened', 2]);
  });

  it('of an id that was made up costs no request and no derivation', async () => {
    const { harness, outcome } = await setup();
    expect(await outcome('SGRKAAAAAAAAAAAAAAAA')).toBe('InvalidAccessKeyId');
    expect([harness.backend.requests.length, harness.runner.runs]).toEqual([0, 0]);
  });

  it('of a well-made id without a record, or of a slot that does not list it, is refused', async () => {
    const { harness, fixture, id, key, put, outcome, active } = await setup();
    const unknown = newRegisteredId(active);
    expect(await outcome(unknown)).toBe('InvalidAccessKeyId');
    // Somebody with S makes a second id for the slot: the keyring does not list it.
    const { tenant } = fixture;
    put(sealRegistered({ id: unknown, sealKey: active, tenant, slot: key.slot, apiKey: key.apiKey }), unknown);
    expect(await outcome(unknown)).toBe('InvalidAccessKeyId');
    // Nor does the sealed id of the same key open a slot that takes registered ones.
    expect(await outcome(key.accessKeyId)).toBe('InvalidAccessKeyId');
    expect(await outcome(id)).toBe('opened');
    expect(harness.runner.runs).toBe(1);
  });

  it('finds a record exchanged or damaged, and says so to the operator', async () => {
    const { harness, id, record, put, outcome } = await setup();
    const other = await setup({ sealKeys: harness.sealKeys });
    for (const body of [other.record, record.subarray(1), Buffer.alloc(0)]) {
      put(body);
      expect(await outcome(id)).toBe('AccessDenied');
    }
    expect(harness.events.map((event) => event.kind)).toEqual(Array(3).fill('keyring-tampered'));
    expect(JSON.stringify(harness.events)).not.toContain(id);
  });

  it('fails with 503 when the state is away and the record is old', async () => {
    const { harness, id, outcome } = await setup();
    expect(await outcome(id)).toBe('opened');
    harness.backend.isDown = true;
    expect(await outcome(id)).toBe('opened');
    harness.time += 1000 * KEYRING_TTL_SECONDS;
    expect(await outcome(id)).toBe('ServiceUnavailable');
  });

  it('stops with its slot, whatever is cached of the record', async () => {
    const { harness, fixture, id, outcome } = await setup();
    expect(await outcome(id)).toBe('opened');
    const slots = fixture.keySlots.map((slot) => ({ ...slot, status: 'inactive' as const }));
    harness.store(resign({ ...fixture.keyring, slots, generation: 2 }, harness.sealKeys));
    harness.tenancy.noteGeneration(fixture.tenant, 2);
    expect(await outcome(id)).toBe('InvalidAccessKeyId');
  });
});
