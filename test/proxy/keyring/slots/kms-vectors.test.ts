/**
 * Protects: the stored vectors of slots that need a KMS open to the stated slot secrets and root keys, and the others are refused at
 * the stated step, here as in the independent reader (test/crypto/vectors.test.ts runs it).
 */
import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { unsealAccessKeyId } from '../../../../proxy/keyring/access-keys/access-key-id.ts';
import { slotSecretOf } from '../../../../proxy/keyring/slots/api-key-slot.ts';
import { KdfRunner } from '../../../../proxy/keyring/slots/kdf.ts';
import { combinedSecret } from '../../../../proxy/keyring/slots/kms-part.ts';
import { kmsSlot } from '../../../../proxy/keyring/slots/kms-slot.ts';
import type { OpenedSlot } from '../../../../proxy/keyring/slots/slot-type.ts';
import { keySlotOf, openKeySlot, slotsOfType } from '../../../../proxy/keyring/slots/slot-types.ts';
import { currentEpoch, type Keyring, parseKeyring } from '../../../../proxy/keyring/state/document.ts';
import { hasRootMac } from '../../../../proxy/keyring/state/macs.ts';
import { KeyringTampered, verifyKeyring } from '../../../../proxy/keyring/state/records.ts';
import { KmsSecrets } from '../../../../proxy/kms/kms-secrets.ts';
import type { KmsProvider } from '../../../../proxy/kms/provider.ts';
import { vectorSealKeys } from '../../../helpers/keyring-vectors.ts';
import type { KmsVector } from '../../../helpers/kms-vectors.ts';

const text = await readFile(new URL('../../../vectors/keyring/kms.json', import.meta.url), 'utf8');
const vectors: readonly KmsVector[] = JSON.parse(text);
const { signal } = new AbortController();
const runner = new KdfRunner();

/** Gives out what the vector says, whatever it is asked for. */
function kmsOf({ kmsSecret }: KmsVector): KmsSecrets {
  const refuse = () => Promise.reject(new Error('not asked for'));
  const provider: KmsProvider = {
    name: 'transit:fake',
    key: 'main',
    wrap: refuse,
    keyState: refuse,
    unwrap: async () => Buffer.from(kmsSecret, 'hex'),
    close: async () => {},
  };
  return new KmsSecrets({ providers: [provider] });
}

async function resultOf(vector: KmsVector): Promise<KmsVector['result']> {
  const sealKeys = vectorSealKeys(vector.sealKeys);
  let keyring: Keyring;
  try {
    const { tenant } = parseKeyring(Buffer.from(vector.keyring));
    keyring = verifyKeyring(Buffer.from(vector.keyring), { tenant, sealKeys });
  } catch (error) {
    return error instanceof KeyringTampered ? 'operator-mac' : 'malformed';
  }
  const { tenant } = keyring;
  const kms = kmsOf(vector);
  const { slot, opened, slotSecret } = await open();
  if (!('roots' in opened)) return opened.failure === 'wrong-key' ? 'commitment' : 'unwrap';
  const root = opened.roots.get(currentEpoch(keyring));
  if (root === undefined || !hasRootMac(keyring, root)) return 'root-mac';
  const roots = Object.fromEntries([...opened.roots].map(([epoch, key]) => [epoch, key.export().toString('hex')]));
  return { slot, slotSecret, roots };

  async function open(): Promise<{ slot: string; opened: OpenedSlot; slotSecret: string }> {
    if (vector.accessKeyId === undefined) {
      const [slot] = slotsOfType(keyring, 'kms');
      if (slot === undefined) throw new Error('The vector has no slot of type kms.');
      return { slot: slot.id, opened: await kmsSlot.open({ tenant, slot, kms }, signal), slotSecret: vector.kmsSecret };
    }
    const { slot: id, secret } = unsealAccessKeyId(vector.accessKeyId, sealKeys);
    const slot = keySlotOf(keyring, id);
    if (slot === undefined) throw new Error('The vector has no such slot.');
    const opened = await openKeySlot({ tenant, slot, secret, runner, kms }, signal);
    const callers = await slotSecretOf({ tenant, slot, secret, runner }, signal);
    const halves = { callers, added: Buffer.from(vector.kmsSecret, 'hex'), salt: Buffer.from(slot.salt, 'base64') };
    return { slot: id, opened, slotSecret: combinedSecret({ ...halves, tenant, slot: id }).toString('hex') };
  }
}

test('there are vectors of every outcome', () => {
  const kinds = vectors.map(({ result }) => (typeof result === 'string' ? result : 'opens'));
  expect([...new Set(kinds)].sort()).toEqual(['commitment', 'malformed', 'opens', 'root-mac']);
  expect(vectors.length).toBeGreaterThan(12);
});

test.each(vectors)('$name', async (vector) => {
  expect(await resultOf(vector)).toEqual(vector.result);
});
