/**
 * Makes test/vectors/keyring/*.json: run with Node from the repository's root. The values are random, so a run replaces the
 * vectors by others of the same shape; only a change of the format is a reason to.
 */
import { createHash, type KeyObject, randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { sealAccessKeyId } from '../../proxy/keyring/access-keys/access-key-id.ts';
import { newRegisteredId, sealRegistered } from '../../proxy/keyring/access-keys/registered-id.ts';
import { SealKey, SealKeys } from '../../proxy/keyring/access-keys/seal-keys.ts';
import { withEscrowSlot } from '../../proxy/keyring/admin/edit-slots.ts';
import {
  type ApiKey,
  apiKeyFromText,
  generateApiKey,
  kdfInput,
  MAX_REGISTERED_RAW_BYTES,
  secretAccessKeyOf,
} from '../../proxy/keyring/slots/api-key.ts';
import { DEFAULT_KDFS, type Kdf, KdfRunner } from '../../proxy/keyring/slots/kdf.ts';
import type { Slot } from '../../proxy/keyring/slots/slot-types.ts';
import { canonicalJson } from '../../proxy/keyring/state/canonical-json.ts';
import type { Keyring } from '../../proxy/keyring/state/document.ts';
import { slotDigest } from '../../proxy/keyring/state/macs.ts';
import {
  byId,
  CREATED,
  currentRoot,
  fakeEscrow,
  makeSlot,
  makeTenant,
  remac,
  resign,
  type TenantFixture,
} from './keyring-fixture.ts';

export interface OpenVector {
  readonly name: string;
  /** Hex of 32 bytes each; the first is active. Patterned, so that a configuration refuses them. */
  readonly sealKeys: readonly { readonly kid: string; readonly key: string }[];
  readonly accessKeyId: string;
  /** Hex of the record behind a registered access key id. */
  readonly record?: string;
  readonly secretAccessKey: string;
  readonly keyType: string;
  readonly tenant: string;
  readonly slot: string;
  readonly signingSecret: string;
  readonly slotSecret: string;
  /** Hex by epoch. */
  readonly roots: Readonly<Record<string, string>>;
  readonly epoch: number;
  /** The stored text. */
  readonly keyring: string;
}

export interface RefusedVector {
  readonly name: string;
  readonly sealKeys: OpenVector['sealKeys'];
  readonly accessKeyId: string;
  readonly record?: string;
  readonly keyring: string;
  /** The step of FORMAT.md that refuses. */
  readonly step:
    | 'access-key-id'
    | 'malformed'
    | 'tenant'
    | 'operator-mac'
    | 'slot'
    | 'commitment'
    | 'unwrap'
    | 'root-mac';
}

const SEAL_KEYS = [
  { kid: 'vector-1', key: '11'.repeat(32) },
  { kid: 'vector-2', key: '22'.repeat(32) },
] as const;
const LONG_KEY = 'a secret access key of more than sixty bytes, brought from another system: 0123456789';

export function vectorSealKeys(vectors: OpenVector['sealKeys']): SealKeys {
  return new SealKeys(vectors.map(({ kid, key }) => new SealKey(kid, Buffer.from(key, 'hex'))));
}

export async function makeOpenVectors(): Promise<readonly OpenVector[]> {
  const sealKeys = vectorSealKeys(SEAL_KEYS);
  const generated = generateApiKey();
  const plans = [
    { name: 'generated key, hkdf-sha256', text: secretAccessKeyOf(generated), apiKey: generated, kdf: 'hkdf-sha256' },
    { name: 'raw key of 47 bytes beyond ASCII, argon2id', text: `clé ${'x'.repeat(42)}`, kdf: 'argon2id' },
    { name: 'digest of a long key, pbkdf2-sha256', text: LONG_KEY, kdf: 'pbkdf2-sha256' },
  ] as const;
  const vectors = [];
  for (const plan of plans) {
    const apiKey = 'apiKey' in plan ? plan.apiKey : apiKeyFromText(plan.text);
    const slot = {
      apiKey,
      kdf: DEFAULT_KDFS[plan.kdf],
      label: 'slash / quote " backslash \\ é 🔑',
      expires: '2099-12-31T23:59:59Z',
    };
    const fixture = await makeTenant({ sealKeys, slots: [slot] });
    vectors.push(await describe(plan.name, fixture, apiKey, plan.text));
  }
  return [...vectors, await makeLongLivedVector(), await makeRegisteredVector(), await makeWaitingVector()];
}

/** Another KDF was requested for the slot, and waits for sessions. */
async function makeWaitingVector(): Promise<OpenVector> {
  const text = 'a secret access key of its own, brought';
  const apiKey = apiKeyFromText(text);
  const kdfUpgrade = { ...DEFAULT_KDFS.argon2id, passes: 3, after: '2026-01-03T15:19:05Z' };
  const slot = { apiKey, kdf: DEFAULT_KDFS['pbkdf2-sha256'], kdfUpgrade };
  const fixture = await makeTenant({ sealKeys: vectorSealKeys(SEAL_KEYS), slots: [slot] });
  return describe('a requested KDF that waits', fixture, apiKey, text);
}

/** A secret of a length that only a registered id takes; another id of the slot besides. */
async function makeRegisteredVector(): Promise<OpenVector> {
  const sealKeys = vectorSealKeys(SEAL_KEYS);
  const text = 'fifty-five bytes, for which there is no sealed id: 0123';
  const apiKey = apiKeyFromText(text, { maxRawBytes: MAX_REGISTERED_RAW_BYTES });
  const { fixture, id, record } = await makeRegistered({ sealKeys, apiKey, kdf: DEFAULT_KDFS.argon2id });
  const vector = await describe('registered access key id, raw key of 55 bytes', fixture, apiKey, text);
  return { ...vector, accessKeyId: id, record: record.toString('hex') };
}

async function makeRegistered(o: { sealKeys: SealKeys; apiKey: ApiKey; kdf: Kdf }) {
  const sealKey = o.sealKeys.active;
  const id = newRegisteredId(sealKey);
  const registeredIds = [id, newRegisteredId(sealKey)].sort();
  const slot = { apiKey: o.apiKey, kdf: o.kdf, accessKeyId: 'registered' as const, registeredIds };
  const fixture = await makeTenant({ sealKeys: o.sealKeys, slots: [slot] });
  const [made] = fixture.keys;
  if (made === undefined) throw new Error('The fixture has a key.');
  const record = sealRegistered({ id, sealKey, tenant: fixture.tenant, slot: made.slot, apiKey: o.apiKey });
  return { fixture, id, record };
}

/** Sealed under one seal key, signed under another; three epochs, two keys, an escrow, one removed slot. */
async function makeLongLivedVector(): Promise<OpenVector> {
  const [first, second] = vectorSealKeysBothWays();
  const apiKey = generateApiKey();
  const fixture = await makeTenant({
    sealKeys: second,
    generation: 9,
    name: 'billing.eu-1',
    slots: [
      {
        apiKey,
        grants: [{ bucket: '*', prefix: 'a/"b"\\ü/', access: 'read-write' }],
        kdfUpgrade: DEFAULT_KDFS.argon2id,
      },
      { accessKeyId: 'registered', registeredIds: ['SGRKABCDEFGHIJKLMNOP'], status: 'inactive' },
    ],
    escrow: fakeEscrow({ epochs: [2, 5], id: '00000002' }),
    epochs: [
      { created: CREATED, epoch: 1, state: 'retired' },
      { created: CREATED, epoch: 2, state: 'draining' },
      { created: CREATED, epoch: 5, state: 'current' },
    ],
    removed: [removedKey('00000001', createHash('sha256').update('removed').digest('hex'))],
  });
  const keyring = resign(fixture.keyring, first);
  const signed = { ...fixture, keyring, body: canonicalJson(keyring) };
  return describe(
    'three epochs, two keys, an escrow, a removed slot, two seal keys',
    signed,
    apiKey,
    secretAccessKeyOf(apiKey),
  );
}

function vectorSealKeysBothWays(): readonly [SealKeys, SealKeys] {
  return [vectorSealKeys(SEAL_KEYS), vectorSealKeys([SEAL_KEYS[1], SEAL_KEYS[0]])];
}

async function describe(name: string, o: TenantFixture, apiKey: ApiKey, text: string): Promise<OpenVector> {
  const key = o.keys.find((candidate) => candidate.apiKey === apiKey);
  const slot = o.keySlots.find((candidate) => candidate.id === key?.slot);
  if (key === undefined || slot === undefined) throw new Error('The key has no slot.');
  const ids = { tenant: Buffer.from(o.tenant, 'hex'), slot: Buffer.from(slot.id, 'hex') };
  const input = { kdf: slot.kdf, secret: kdfInput(apiKey), salt: Buffer.from(slot.salt, 'base64'), ...ids };
  const slotSecret = await new KdfRunner().derive(input, new AbortController().signal);
  const first = Buffer.from(`AWS4${text}`);
  return {
    name,
    sealKeys: SEAL_KEYS,
    accessKeyId: key.accessKeyId,
    secretAccessKey: text,
    keyType: apiKey.type,
    tenant: o.tenant,
    slot: slot.id,
    signingSecret: (first.length > 64 ? createHash('sha256').update(first).digest() : first).toString('hex'),
    slotSecret: slotSecret.toString('hex'),
    roots: Object.fromEntries([...o.roots].map(([epoch, root]) => [epoch, hexOf(root)])),
    epoch: Math.max(...o.roots.keys()),
    keyring: o.body.toString('utf8'),
  };
}

export async function makeRefusedVectors(): Promise<readonly RefusedVector[]> {
  const sealKeys = vectorSealKeys(SEAL_KEYS);
  const fixture = await makeTenant({ sealKeys });
  const other = await makeTenant({ sealKeys });
  const { keyring, roots, tenant } = fixture;
  const [accessKeyId = ''] = fixture.keys.map((key) => key.accessKeyId);
  const [slot] = fixture.keySlots;
  if (slot === undefined) throw new Error('The keyring has no slot.');
  const text = (value: Keyring) => canonicalJson(value).toString('utf8');
  const resigned = (value: Keyring) => text(resign(value, sealKeys));
  // 92 bytes: two bits of the last character are unused. Those of a generated key fill every character.
  const shortId = sealAccessKeyId({ sealKeys, tenant, slot: slot.id, apiKey: apiKeyFromText('x'.repeat(46)) });
  const wide = { ...slot, grants: [{ bucket: '*', prefix: '', access: 'read-write' as const }] };
  const added = byId([...keyring.slots, await makeSlot({ tenant, roots, plan: {} })]);
  const wraps = slot.wraps.map((wrap) => ({ ...wrap, wrapped: randomBytes(48).toString('base64') }));
  const commitment = randomBytes(32).toString('base64');
  const removed = [removedKey(slot.id, slotDigest(slot))];
  const moved = { ...keyring, tenant: other.tenant };
  const good = text(keyring);
  const cases: readonly (readonly [
    name: string,
    step: RefusedVector['step'],
    keyring: string,
    accessKeyId?: string,
  ])[] = [
    ['access key id, one bit of the sealed bytes changed', 'access-key-id', good, flipInside(accessKeyId)],
    ['access key id, unused low bits set', 'access-key-id', good, `${shortId.slice(0, -1)}${successor(shortId)}`],
    ['access key id, padded', 'access-key-id', good, `${accessKeyId}=`],
    ['access key id, another prefix', 'access-key-id', good, `SG2${accessKeyId.slice(3)}`],
    ['white space', 'malformed', good.replace('{', '{ ')],
    ['a member twice', 'malformed', good.replace('{', '{"created":"2026-01-02T03:04:05Z",')],
    ['an unknown member', 'malformed', good.replace(/}$/, ',"x":1}')],
    ['an escape where none is needed', 'malformed', good.replace('"data"', '"\\u0064ata"')],
    [
      'a requested KDF that waits until no time',
      'malformed',
      resigned({
        ...keyring,
        slots: [{ ...slot, kdfUpgrade: { ...DEFAULT_KDFS.argon2id, after: '2026-02-30T00:00:00Z' } }],
      }),
    ],
    [
      'a requested KDF with a member that is not known',
      'malformed',
      resigned({
        ...keyring,
        slots: [{ ...slot, kdfUpgrade: { ...DEFAULT_KDFS.argon2id, before: CREATED } as never }],
      }),
    ],
    [
      'a slot that waits and has no request',
      'malformed',
      resigned({ ...keyring, slots: [{ ...slot, after: CREATED } as never] }),
    ],
    ['the keyring of another tenant', 'tenant', other.body.toString('utf8')],
    ['the keyring of this tenant renamed for another', 'tenant', resigned(moved)],
    ['a grant widened without S', 'operator-mac', text({ ...keyring, slots: [wide] })],
    ['an older generation number without S', 'operator-mac', text({ ...keyring, generation: 2 })],
    [
      'a slot added by the root key without S',
      'operator-mac',
      text(remac({ ...keyring, slots: added }, currentRoot(roots))),
    ],
    ['the slot made inactive by S', 'slot', resigned({ ...keyring, slots: [{ ...slot, status: 'inactive' }] })],
    [
      'the slot given a registered id by S',
      'slot',
      resigned({
        ...keyring,
        slots: [{ ...slot, accessKeyId: 'registered', registeredIds: ['SGRKABCDEFGHIJKLMNOP'] }],
      }),
    ],
    ['the slot removed by S', 'slot', resigned({ ...keyring, slots: [], removed })],
    ['the commitment replaced by S', 'commitment', resigned({ ...keyring, slots: [{ ...slot, commitment }] })],
    ['a wrap replaced by S', 'unwrap', resigned({ ...keyring, slots: [{ ...slot, wraps }] })],
    [
      'the creation time of the slot changed by S',
      'unwrap',
      resigned({ ...keyring, slots: [{ ...slot, created: '2025-01-02T03:04:05Z' }] }),
    ],
    ['a slot added by S alone', 'root-mac', resigned({ ...keyring, slots: added })],
    [
      'the slots that were removed forgotten by S',
      'root-mac',
      resigned({ ...keyring, removed: [removedKey('00000001', 'ab'.repeat(32))] }),
    ],
  ];
  const sealed = cases.map(([name, step, stored, id]) => ({
    name,
    sealKeys: SEAL_KEYS,
    accessKeyId: id ?? accessKeyId,
    keyring: stored,
    step,
  }));
  return [...sealed, ...(await makeRefusedRegistered(sealKeys)), ...(await makeRefusedTypes(sealKeys))];
}

async function makeRefusedRegistered(sealKeys: SealKeys): Promise<readonly RefusedVector[]> {
  const kdf = DEFAULT_KDFS['hkdf-sha256'];
  const { fixture, id, record } = await makeRegistered({ sealKeys, apiKey: generateApiKey(), kdf });
  const other = await makeRegistered({ sealKeys, apiKey: generateApiKey(), kdf });
  const good = fixture.body.toString('utf8');
  const [slot] = fixture.keySlots;
  if (slot === undefined) throw new Error('The keyring has no slot.');
  const slots = [{ ...slot, registeredIds: slot.registeredIds.filter((one) => one !== id) }];
  const unlisted = canonicalJson(resign({ ...fixture.keyring, slots }, sealKeys)).toString('utf8');
  const cases: readonly (readonly [
    name: string,
    step: RefusedVector['step'],
    id: string,
    record: Buffer,
    text: string,
  ])[] = [
    ['registered id, a character changed', 'access-key-id', flipInside(id), record, good],
    ['registered id, the record of another', 'access-key-id', id, other.record, good],
    ['registered id, the record cut short', 'access-key-id', id, record.subarray(0, -1), good],
    ['registered id that the slot does not list', 'slot', id, record, unlisted],
  ];
  return cases.map(([name, step, accessKeyId, bytes, keyring]) => ({
    name,
    sealKeys: SEAL_KEYS,
    accessKeyId,
    record: bytes.toString('hex'),
    keyring,
    step,
  }));
}

/** What makes a slot one of its type: altered, exchanged, taken away, by S and where said by the root key too. */
async function makeRefusedTypes(sealKeys: SealKeys): Promise<readonly RefusedVector[]> {
  const escrow = fakeEscrow({ epochs: [1] });
  const { tenant, keyring, keySlots, roots, keys } = await makeTenant({ sealKeys, escrow });
  const [slot] = keySlots;
  const [key] = keys;
  if (slot === undefined || key === undefined) throw new Error('The fixture has a key.');
  const { accessKeyId, apiKey } = key;
  const named = sealAccessKeyId({ sealKeys, tenant, slot: escrow.id, apiKey });
  const signed = (change: Partial<Keyring>) => canonicalJson(resign({ ...keyring, ...change }, sealKeys)).toString();
  const removed = removedKey(escrow.id, slotDigest(escrow));
  const second = fakeEscrow({ epochs: [1], id: 'ffffffff' });
  const byRoot = remac({ ...keyring, slots: [...keyring.slots, second] }, currentRoot(roots));
  const retyped = (from: string, to: string) =>
    signed(JSON.parse(JSON.stringify({ slots: keyring.slots }).replace(`"type":"${from}"`, `"type":"${to}"`)));
  const exchanged = byId([
    { ...slot, id: escrow.id },
    { ...escrow, id: slot.id },
  ]);
  const cases: readonly (readonly [name: string, step: RefusedVector['step'], text: string, id?: string])[] = [
    ['an access key id that names an escrow', 'slot', signed({}), named],
    ['the ids of a key and an escrow exchanged by S', 'slot', signed({ slots: exchanged })],
    ['an API key called an escrow', 'malformed', retyped('api-key', 'escrow')],
    ['an escrow called an API key', 'malformed', retyped('escrow', 'api-key')],
    ['a slot of a type that is not known', 'malformed', retyped('escrow', 'of-tomorrow')],
    [
      'the wraps of an escrow in an API key',
      'malformed',
      signed({ slots: [escrow, { ...slot, wraps: escrow.wraps as never }] }),
    ],
    [
      'an escrow with the terms of a key',
      'malformed',
      signed({ slots: [{ ...escrow, status: 'active' } as Slot, slot] }),
    ],
    ['two escrows, signed by the root key', 'malformed', canonicalJson(resign(byRoot, sealKeys)).toString()],
    [
      'an escrow among the removed slots',
      'malformed',
      signed({ slots: [slot], removed: [{ ...removed, type: 'escrow' as never }] }),
    ],
    ['an escrow removed by S in the place of a key', 'root-mac', signed({ slots: [slot], removed: [removed] })],
    ['an escrow taken away by S', 'root-mac', signed({ slots: [slot] })],
    ['an escrow added by S', 'root-mac', signed({ slots: [escrow, slot], rootMac: rootMacWithout(keyring, roots) })],
  ];
  return cases.map(([name, step, text, id = accessKeyId]) => ({
    name,
    sealKeys: SEAL_KEYS,
    accessKeyId: id,
    keyring: text,
    step,
  }));
}

/** Of the same keyring before it had an escrow. */
function rootMacWithout(keyring: Keyring, roots: TenantFixture['roots']): string {
  return remac(withEscrowSlot(keyring, undefined), currentRoot(roots)).rootMac;
}

function removedKey(id: string, digest: string): Keyring['removed'][number] {
  return { digest, id, removed: CREATED, type: 'api-key' };
}

/** Another character in the middle. */
function flipInside(text: string): string {
  const at = text.length >> 1;
  return `${text.slice(0, at)}${text[at] === 'A' ? 'B' : 'A'}${text.slice(at + 1)}`;
}

/** The next character of the base64url alphabet: in the last place it sets a bit that must be zero. */
function successor(text: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  return alphabet[alphabet.indexOf(text.at(-1) ?? '') + 1] ?? '';
}

function hexOf(key: KeyObject): string {
  return key.export().toString('hex');
}

if (import.meta.main) {
  const directory = new URL('../vectors/keyring/', import.meta.url);
  await mkdir(directory, { recursive: true });
  await writeFile(new URL('opens.json', directory), `${JSON.stringify(await makeOpenVectors(), null, 2)}\n`);
  await writeFile(new URL('refused.json', directory), `${JSON.stringify(await makeRefusedVectors(), null, 2)}\n`);
}
