// Protects: the program and FORMAT.md agree byte for byte: stored vectors open to the stated keys, and the refused ones are
// refused at the stated step. An independent decoder reads the same files.
import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { type AccessKey, unsealAccessKeyId } from '../../../proxy/keyring/access-keys/access-key-id.ts';
import { openRegistered, sealKeyOfId } from '../../../proxy/keyring/access-keys/registered-id.ts';
import { SealKeys } from '../../../proxy/keyring/access-keys/seal-keys.ts';
import { KdfRunner } from '../../../proxy/keyring/slots/kdf.ts';
import { isUsable } from '../../../proxy/keyring/slots/slot-terms.ts';
import { keySlotOf, openKeySlot } from '../../../proxy/keyring/slots/slot-types.ts';
import { currentEpoch, KEYRING_FORMAT, parseKeyring, serializeKeyring } from '../../../proxy/keyring/state/document.ts';
import { hasRootMac } from '../../../proxy/keyring/state/macs.ts';
import { KeyringTampered, verifyKeyring } from '../../../proxy/keyring/state/records.ts';
import {
  makeOpenVectors,
  makeRefusedVectors,
  type OpenVector,
  type RefusedVector,
  vectorSealKeys,
} from '../../helpers/keyring-vectors.ts';

const signal = new AbortController().signal;
const read = async (name: string) =>
  JSON.parse(await readFile(new URL(`../../vectors/keyring/${name}`, import.meta.url), 'utf8'));
const opens: readonly OpenVector[] = await read('opens.json');
const refused: readonly RefusedVector[] = await read('refused.json');

/** The steps of reading a keyring, one by one: what opened, or the step that refused. */
async function walk(vector: Pick<OpenVector, 'sealKeys' | 'accessKeyId' | 'record' | 'keyring'>) {
  const sealKeys = vectorSealKeys(vector.sealKeys);
  const key = vector.record === undefined ? unseal(vector.accessKeyId, sealKeys) : lookUp(vector, sealKeys);
  if (key === undefined) return { step: 'access-key-id' };
  const body = Buffer.from(vector.keyring, 'utf8');
  try {
    parseKeyring(body);
  } catch {
    return { step: 'malformed' };
  }
  let keyring: ReturnType<typeof verifyKeyring>;
  try {
    keyring = verifyKeyring(body, { tenant: key.tenant, sealKeys });
  } catch (error) {
    if (!(error instanceof KeyringTampered)) throw error;
    return { step: error.message.includes('another tenant') ? 'tenant' : 'operator-mac' };
  }
  const slot = keySlotOf(keyring, key.slot);
  if (slot === undefined || !isUsable(slot, key, new Date())) return { step: 'slot' };
  const opened = await openKeySlot({ tenant: key.tenant, slot, secret: key.secret, runner: new KdfRunner() }, signal);
  if ('failure' in opened) return { step: opened.failure === 'wrong-key' ? 'commitment' : 'unwrap' };
  const root = opened.roots.get(currentEpoch(keyring));
  if (root === undefined || !hasRootMac(keyring, root)) return { step: 'root-mac' };
  return { step: 'opened', key, keyring, slot, roots: opened.roots };
}

function unseal(accessKeyId: string, sealKeys: SealKeys): AccessKey | undefined {
  try {
    return unsealAccessKeyId(accessKeyId, sealKeys);
  } catch {
    return undefined;
  }
}

function lookUp(vector: { accessKeyId: string; record?: string }, sealKeys: SealKeys): AccessKey | undefined {
  if (sealKeyOfId(vector.accessKeyId, sealKeys) === undefined) return undefined;
  return openRegistered(Buffer.from(vector.record ?? '', 'hex'), vector.accessKeyId, sealKeys);
}

describe('opens.json', () => {
  it.each(opens)('$name', async (vector) => {
    const { step, key, keyring, slot, roots } = await walk(vector);
    expect(step).toBe('opened');
    if (key === undefined || slot === undefined || keyring === undefined) throw new Error('Nothing opened.');
    expect([key.tenant, key.slot, currentEpoch(keyring)]).toEqual([vector.tenant, vector.slot, vector.epoch]);
    expect(key.signingSecret.bytes().toString('hex')).toBe(vector.signingSecret);
    const ids = { tenant: Buffer.from(key.tenant, 'hex'), slot: Buffer.from(slot.id, 'hex') };
    const input = { kdf: slot.kdf, secret: key.secret, salt: Buffer.from(slot.salt, 'base64'), ...ids };
    expect((await new KdfRunner().derive(input, signal)).toString('hex')).toBe(vector.slotSecret);
    expect(Object.fromEntries([...roots].map(([epoch, root]) => [epoch, root.export().toString('hex')]))).toEqual(
      vector.roots,
    );
    expect(serializeKeyring(keyring).toString('utf8')).toBe(vector.keyring);
  });
});

describe('refused.json', () => {
  it.each(refused)('$step: $name', async (vector) => {
    expect((await walk(vector)).step).toBe(vector.step);
  });
});

it('ran every kind of vector, and the stored files have the shape that the generator makes now', async () => {
  expect([opens.length, refused.length]).toEqual([6, 40]);
  expect(new Set(opens.map((vector) => vector.keyType))).toEqual(new Set(['generated', 'raw', 'digest']));
  expect(new Set(refused.map((vector) => vector.step)).size).toBe(8);
  const shape = (vectors: readonly object[]) =>
    vectors.map((vector) => ({ ...vector, accessKeyId: 0, keyring: 0 })).map(Object.keys);
  const [freshOpens, freshRefused] = await Promise.all([makeOpenVectors(), makeRefusedVectors()]);
  expect(shape(opens)).toEqual(shape(freshOpens));
  expect(refused.map(({ name, step }) => [name, step])).toEqual(freshRefused.map(({ name, step }) => [name, step]));
});

it('has a seal key in no vector that a configuration would accept', () => {
  const texts = [...opens, ...refused].flatMap(({ sealKeys }) =>
    sealKeys.map(({ kid, key }) => `${kid}:${Buffer.from(key, 'hex').toString('base64')}`),
  );
  for (const text of new Set(texts)) expect(() => SealKeys.parse(text)).toThrow(/sample/);
  expect(new Set(texts).size).toBe(2);
});

it('names the format, labels and limits of FORMAT.md', async () => {
  const text = await readFile(new URL('../../../crypto/FORMAT.md', import.meta.url), 'utf8');
  const section = text.slice(text.search(/^## .*Keyring and access key ids/m));
  const named = [
    KEYRING_FORMAT,
    'SG1',
    'SGRK',
    'sealgate-registered/1',
    'sealgate/1/registered-id',
    'sealgate/1/registered-check',
    'sealgate/1/akid',
    'sealgate/1/keyring-operator',
    'sealgate/1/slot-secret',
    'sealgate/1/slot-commit',
    'sealgate/1/root-wrap',
    'sealgate/1/keyring-mac',
    '262,144 bytes',
    '1,000 removed',
    'sealgate/1/escrow',
    '1 to 64 epochs',
    'up to 100 grants',
  ];
  for (const name of named) expect(section).toContain(name);
});
