// Protects: nobody who can write the state bucket widens a grant, and S alone adds no way in. Every field is changed, first
// without S, then by S without the root key; what is refused costs no key derivation where S would have been needed.
import { createSecretKey, randomBytes } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import { sealAccessKeyId } from '../../../proxy/keyring/access-keys/access-key-id.ts';
import { withEscrowSlot } from '../../../proxy/keyring/admin/edit-slots.ts';
import { generateApiKey } from '../../../proxy/keyring/slots/api-key.ts';
import type { ApiKeySlot } from '../../../proxy/keyring/slots/api-key-slot.ts';
import { DEFAULT_KDFS } from '../../../proxy/keyring/slots/kdf.ts';
import type { Slot } from '../../../proxy/keyring/slots/slot-types.ts';
import { canonicalJson, type JsonValue } from '../../../proxy/keyring/state/canonical-json.ts';
import type { Keyring } from '../../../proxy/keyring/state/document.ts';
import { slotDigest } from '../../../proxy/keyring/state/macs.ts';
import { changeAt, flip, type Json, type JsonPath, leafPaths } from '../../helpers/json-paths.ts';
import {
  CREATED,
  currentRoot,
  fakeEscrow,
  makeSlot,
  makeTenant,
  newSealKeys,
  remac,
  resign,
  type TenantFixture,
} from '../../helpers/keyring-fixture.ts';
import { TenancyHarness } from '../../helpers/tenancy-harness.ts';

const sealKeys = newSealKeys('one', 'two');
let fixture: TenantFixture;
let document: Json;
/** The slot that is opened, and its id. */
let slot: ApiKeySlot;
let accessKeyId: string;
const at = () => fixture.keyring.slots.indexOf(slot);

beforeAll(async () => {
  fixture = await makeTenant({
    sealKeys,
    generation: 5,
    slots: [
      { label: 'a', expires: '2030-01-01T00:00:00Z', grants: [{ bucket: 'data', prefix: 'p/', access: 'read-only' }] },
      { kdf: DEFAULT_KDFS.argon2id },
    ],
    epochs: [
      { created: CREATED, epoch: 1, state: 'retired' },
      { created: CREATED, epoch: 2, state: 'draining' },
      { created: CREATED, epoch: 3, state: 'current' },
    ],
    removed: [{ digest: '00'.repeat(32), id: '00000001', removed: CREATED, type: 'api-key' }],
  });
  document = JSON.parse(fixture.body.toString('utf8'));
  const [key] = fixture.keys;
  const found = fixture.keySlots.find((candidate) => candidate.id === key?.slot);
  if (key === undefined || found === undefined) throw new Error('The fixture has no slot.');
  slot = found;
  accessKeyId = key.accessKeyId;
});

/** Opens `stored` afresh: the S3 code or `opened`, the kinds of events, and the derivations that ran. */
async function attempt(stored: Keyring | Buffer, id = accessKeyId) {
  const harness = new TenancyHarness({ sealKeys });
  harness.store(Buffer.isBuffer(stored) ? stored : canonicalJson(stored), fixture.tenant);
  const outcome = await harness.outcome(id);
  return { outcome, events: harness.events.map((event) => event.kind), runs: harness.runner.runs };
}

const TAMPERED_BEFORE_KDF = { outcome: 'AccessDenied', events: ['keyring-tampered'], runs: 0 };
const base64Of = (length: number) => randomBytes(length).toString('base64');
const bytes = (value: Json) => canonicalJson(value as JsonValue);

it('opens untouched', async () => {
  expect(await attempt(fixture.keyring)).toEqual({ outcome: 'opened', events: [], runs: 1 });
});

describe('without S', () => {
  it('refuses every leaf changed, before any KDF', async () => {
    const paths = leafPaths(document);
    for (const path of paths) {
      const changed = bytes(changeAt(document, path, flip));
      expect(changed.equals(fixture.body)).toBe(false);
      expect([path.join('.'), await attempt(changed)]).toEqual([path.join('.'), TAMPERED_BEFORE_KDF]);
    }
    expect(paths.length).toBeGreaterThan(50);
  });

  it('refuses every leaf removed, before any KDF', async () => {
    const paths = leafPaths(document);
    for (const path of paths) {
      const changed = bytes(changeAt(document, path, () => undefined));
      expect([path.join('.'), await attempt(changed)]).toEqual([path.join('.'), TAMPERED_BEFORE_KDF]);
    }
    expect(paths.length).toBeGreaterThan(50);
  });

  it('refuses every bit of both MACs', async () => {
    let tried = 0;
    for (const name of ['operatorMac', 'rootMac'] as const) {
      for (let bit = 0; bit < 256; bit += 1) {
        const mac = Buffer.from(fixture.keyring[name], 'base64');
        mac.writeUInt8(mac.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
        expect(await attempt({ ...fixture.keyring, [name]: mac.toString('base64') })).toEqual(TAMPERED_BEFORE_KDF);
        tried += 1;
      }
    }
    expect(tried).toBe(512);
  });

  const widen = (): Keyring => {
    const grants = [{ bucket: '*', prefix: '', access: 'read-write' as const }];
    return { ...fixture.keyring, slots: fixture.keyring.slots.map((one) => (one === slot ? { ...one, grants } : one)) };
  };

  it('refuses a grant that its own tenant widened, root MAC and all', async () => {
    expect(await attempt(remac(widen(), currentRoot(fixture.roots)))).toEqual(TAMPERED_BEFORE_KDF);
  });

  it("refuses a grant widened and signed with somebody else's S under the same kid", async () => {
    expect(await attempt(resign(widen(), newSealKeys('one')))).toEqual(TAMPERED_BEFORE_KDF);
  });

  it('refuses a MAC claimed for the other seal key, or for none that is configured', async () => {
    for (const operatorKid of ['two', 'three', 'constructor']) {
      expect(await attempt({ ...fixture.keyring, operatorKid })).toEqual(TAMPERED_BEFORE_KDF);
    }
    expect(await attempt(resign(fixture.keyring, newSealKeys('three')))).toEqual(TAMPERED_BEFORE_KDF);
  });

  it("refuses another tenant's keyring under this name", async () => {
    const other = await makeTenant({ sealKeys });
    expect(await attempt(other.body)).toEqual(TAMPERED_BEFORE_KDF);
    expect(await attempt({ ...other.keyring, tenant: fixture.tenant })).toEqual(TAMPERED_BEFORE_KDF);
  });
});

/** What S may change alone: the rest needs the root key. */
function isOperators(path: JsonPath): boolean {
  const [top, , field] = path;
  // A slot made inactive is one of the operator's changes, but then it does not open; see below.
  if (field === 'status') return path[1] !== at();
  if (top === 'slots')
    return ['expires', 'grants', 'idKid', 'kdfUpgrade', 'label', 'sessionSerial'].includes(String(field));
  return top === 'removed'
    ? field === 'removed'
    : ['generation', 'created', 'name', 'updated', 'operatorKid', 'operatorMac'].includes(String(top));
}

/** Members for which `flip` makes no value that could stand there. */
const OPERATORS_VALUES: Readonly<Record<string, () => Json>> = {
  bucket: () => 'other',
  kdfUpgrade: () => ({ ...DEFAULT_KDFS.argon2id, passes: 3 }),
};

describe('by S alone', () => {
  it('accepts exactly the fields that are the operator’s to change', async () => {
    const counts = { opened: 0, refused: 0 };
    for (const path of leafPaths(document)) {
      const changed = changeAt(document, path, OPERATORS_VALUES[String(path.at(-1))] ?? flip) as unknown as Keyring;
      const signed = canonicalJson(resign(changed, sealKeys) as JsonValue & Keyring);
      const { outcome, events } = await attempt(signed);
      const isAllowed = isOperators(path);
      expect([path.join('.'), outcome === 'opened']).toEqual([path.join('.'), isAllowed]);
      if (!isAllowed)
        expect([path.join('.'), events.length]).toEqual([
          path.join('.'),
          outcome === 'InvalidAccessKeyId' && (isSlotId(path) || path.at(-1) === 'status') ? 0 : 1,
        ]);
      counts[isAllowed ? 'opened' : 'refused'] += 1;
    }
    expect(counts.opened).toBeGreaterThan(12);
    expect(counts.refused).toBeGreaterThan(35);
  });

  const isSlotId = (path: JsonPath) => path.join('.') === `slots.${at()}.id`;
  const sorted = (slots: readonly Slot[]) => [...slots].sort((a, b) => (a.id < b.id ? -1 : 1));
  const signed = (change: Partial<Keyring>) => resign({ ...fixture.keyring, ...change }, sealKeys);
  const replaced = (change: Partial<ApiKeySlot>) =>
    signed({ slots: fixture.keyring.slots.map((one) => (one === slot ? { ...one, ...change } : one)) });

  it('adds no slot, even one that wraps the true root keys', async () => {
    const added = await makeSlot({ tenant: fixture.tenant, roots: fixture.roots, plan: {} });
    const result = await attempt(signed({ slots: sorted([...fixture.keyring.slots, added]) }));
    expect(result).toEqual({ outcome: 'AccessDenied', events: ['keyring-tampered'], runs: 1 });
  });

  it('adds no slot in the place of another', async () => {
    const apiKey = generateApiKey();
    const added = { ...(await makeSlot({ tenant: fixture.tenant, roots: fixture.roots, plan: { apiKey } })) };
    const removed = [
      ...fixture.keyring.removed,
      { digest: slotDigest(slot), id: slot.id, removed: CREATED, type: slot.type },
    ];
    const others = fixture.keyring.slots.filter((one) => one !== slot);
    const id = sealAccessKeyId({ sealKeys, tenant: fixture.tenant, slot: added.id, apiKey });
    const result = await attempt(
      signed({ slots: sorted([...others, added]), removed: removed.sort((a, b) => (a.id < b.id ? -1 : 1)) }),
      id,
    );
    expect(result).toEqual({ outcome: 'AccessDenied', events: ['keyring-tampered'], runs: 1 });
  });

  it('changes no KDF parameters, stronger or weaker', async () => {
    for (const kdf of [DEFAULT_KDFS.argon2id, DEFAULT_KDFS['pbkdf2-sha256']]) {
      expect((await attempt(replaced({ kdf }))).outcome).toBe('InvalidAccessKeyId');
    }
  });

  it('exchanges no commitment, salt or wrap between slots or epochs', async () => {
    const [other] = fixture.keySlots.filter((one) => one !== slot);
    const [two, three] = slot.wraps;
    if (other === undefined || two === undefined || three === undefined) throw new Error('The fixture is too small.');
    const swapped = [
      { ...three, epoch: two.epoch },
      { ...two, epoch: three.epoch },
    ];
    const cases: readonly Partial<ApiKeySlot>[] = [
      { commitment: other.commitment },
      { salt: other.salt },
      { wraps: other.wraps },
      { wraps: swapped },
      { wraps: [two, { ...two, epoch: three.epoch }] },
    ];
    for (const change of cases) {
      expect(['AccessDenied', 'InvalidAccessKeyId']).toContain((await attempt(replaced(change))).outcome);
    }
  });

  it('moves no slot to another tenant', async () => {
    const other = await makeTenant({ sealKeys, tenant: fixture.tenant });
    const foreign = await makeTenant({ sealKeys });
    const [moved] = foreign.keyring.slots;
    const [key] = foreign.keys;
    if (moved === undefined || key === undefined) throw new Error('The fixture has no slot.');
    const keyring = resign({ ...other.keyring, slots: sorted([...other.keyring.slots, moved]) }, sealKeys);
    const id = sealAccessKeyId({ sealKeys, tenant: fixture.tenant, slot: moved.id, apiKey: key.apiKey });
    expect(await attempt(keyring, id)).toEqual({ outcome: 'InvalidAccessKeyId', events: ['access-denied'], runs: 1 });
  });

  it('makes a slot inactive, at no cost to refuse, and gives it a registered id that its sealed one does not replace', async () => {
    const refusedFree = { outcome: 'InvalidAccessKeyId', events: [], runs: 0 };
    expect(await attempt(replaced({ status: 'inactive' }))).toEqual(refusedFree);
    const registered = { accessKeyId: 'registered' as const, registeredIds: ['SGRKABCDEFGHIJKLMNOP'] };
    expect(await attempt(replaced(registered))).toEqual(refusedFree);
  });

  it('adds no escrow', async () => {
    const escrow = fakeEscrow({ epochs: [2, 3] });
    const refused = { outcome: 'AccessDenied', events: ['keyring-tampered'], runs: 1 };
    expect(await attempt(resign(withEscrowSlot(fixture.keyring, escrow), sealKeys))).toEqual(refused);
    const escrowed = remac(withEscrowSlot(fixture.keyring, escrow), currentRoot(fixture.roots));
    expect((await attempt(resign(escrowed, sealKeys))).outcome).toBe('opened');
    const [first, second] = escrow.wraps;
    if (first === undefined || second === undefined) throw new Error('There are two wraps.');
    const exchanged = [
      { ...second, epoch: first.epoch },
      { ...first, epoch: second.epoch },
    ];
    const changes = [
      { ...escrow, publicKey: base64Of(32) },
      { ...escrow, wraps: exchanged },
      { ...escrow, wraps: [first, { ...second, enc: base64Of(32) }] },
      { ...escrow, id: '00000002' },
      undefined,
    ];
    for (const changed of changes) {
      expect(await attempt(resign(withEscrowSlot(escrowed, changed), sealKeys))).toEqual(refused);
    }
  });

  it('retires no epoch and makes none', async () => {
    const epochs = fixture.keyring.epochs.filter((epoch) => epoch.epoch !== 1);
    expect((await attempt(signed({ epochs }))).outcome).toBe('AccessDenied');
    const retired = fixture.keyring.epochs.map((epoch) =>
      epoch.epoch === 2 ? { ...epoch, state: 'retired' as const } : epoch,
    );
    const slots = fixture.keySlots.map((one) => ({ ...one, wraps: one.wraps.filter((wrap) => wrap.epoch !== 2) }));
    expect((await attempt(signed({ epochs: retired, slots }))).outcome).toBe('AccessDenied');
  });

  it('forges no id for a slot that does not exist, at no cost', async () => {
    const id = sealAccessKeyId({ sealKeys, tenant: fixture.tenant, slot: 'deadbeef', apiKey: generateApiKey() });
    expect(await attempt(fixture.keyring, id)).toEqual({ outcome: 'InvalidAccessKeyId', events: [], runs: 0 });
  });

  it('forges no id for a slot with another key, and is noticed', async () => {
    const id = sealAccessKeyId({ sealKeys, tenant: fixture.tenant, slot: slot.id, apiKey: generateApiKey() });
    expect(await attempt(fixture.keyring, id)).toEqual({
      outcome: 'InvalidAccessKeyId',
      events: ['access-denied'],
      runs: 1,
    });
  });

  it('forges a whole new keyring that the real key does not open', async () => {
    const forged = await makeTenant({ sealKeys, tenant: fixture.tenant, slots: [{}] });
    const slots = forged.keyring.slots.map((one) => ({ ...one, id: slot.id }));
    const keyring = resign(remac({ ...forged.keyring, slots }, currentRoot(forged.roots)), sealKeys);
    expect((await attempt(keyring)).outcome).toBe('InvalidAccessKeyId');
  });

  it('takes a slot away with its wraps, and the others still open', async () => {
    const removed = [
      ...fixture.keyring.removed,
      { digest: slotDigest(slot), id: slot.id, removed: CREATED, type: slot.type },
    ];
    const slots = fixture.keyring.slots.filter((one) => one !== slot);
    const keyring = signed({ slots, removed: removed.sort((a, b) => (a.id < b.id ? -1 : 1)) });
    expect(await attempt(keyring)).toEqual({ outcome: 'InvalidAccessKeyId', events: [], runs: 0 });
    const [, other] = fixture.keys;
    expect(await attempt(keyring, other?.accessKeyId)).toEqual({ outcome: 'opened', events: [], runs: 1 });
    expect(canonicalJson(keyring).includes(slot.wraps[0]?.wrapped ?? '')).toBe(false);
  });
});

it('refuses a root MAC under another root key, operator MAC and all', async () => {
  const other = createSecretKey(randomBytes(32));
  const keyring = resign(remac(fixture.keyring, other), sealKeys);
  expect(await attempt(keyring)).toEqual({ outcome: 'AccessDenied', events: ['keyring-tampered'], runs: 1 });
});
