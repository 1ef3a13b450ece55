/**
 * Makes test/vectors/keyring/kms.json: run with Node from the repository's root. The values are random, as those of
 * keyring-vectors.ts; only a change of the format is a reason to make others.
 */
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { sealAccessKeyId } from '../../proxy/keyring/access-keys/access-key-id.ts';
import { apiKeyFromText, kdfInput, secretAccessKeyOf } from '../../proxy/keyring/slots/api-key.ts';
import { slotSecretOf } from '../../proxy/keyring/slots/api-key-slot.ts';
import { DEFAULT_KDFS, KdfRunner } from '../../proxy/keyring/slots/kdf.ts';
import { combinedSecret } from '../../proxy/keyring/slots/kms-part.ts';
import type { Slot } from '../../proxy/keyring/slots/slot-types.ts';
import { canonicalJson } from '../../proxy/keyring/state/canonical-json.ts';
import type { Keyring } from '../../proxy/keyring/state/document.ts';
import { fakeKmsSlots, fakeSecrets } from './fake-kms.ts';
import { byId, currentRoot, makeTenant, remac, resign } from './keyring-fixture.ts';
import { vectorSealKeys } from './keyring-vectors.ts';

export interface KmsVector {
  readonly name: string;
  readonly sealKeys: readonly { readonly kid: string; readonly key: string }[];
  /** Absent for a slot that the KMS opens alone. */
  readonly accessKeyId?: string;
  readonly secretAccessKey?: string;
  /** Hex: what the KMS gives out for the slot. */
  readonly kmsSecret: string;
  /** The stored text. */
  readonly keyring: string;
  /** What comes out, root keys in hex by epoch among it, or the step that refuses. */
  readonly result: Readonly<Record<string, unknown>> | string;
}

const SEAL_KEYS = [{ kid: 'vector-1', key: '11'.repeat(32) }] as const;
const signal = new AbortController().signal;

export async function makeKmsVectors(): Promise<readonly KmsVector[]> {
  const sealKeys = vectorSealKeys(SEAL_KEYS);
  const made = await makeTenant({ sealKeys, slots: [{}] });
  const { tenant, roots } = made;
  const { secrets } = fakeSecrets();
  const text = 'correct horse battery staple 2026!';
  const { key, alone, apiKey } = await fakeKmsSlots({ tenant, roots, secrets });
  const slow = await fakeKmsSlots({
    tenant,
    roots,
    secrets,
    apiKey: apiKeyFromText(text),
    kdf: DEFAULT_KDFS.argon2id,
  });
  const opened = async (slot: Extract<Slot, { kms: unknown }>) =>
    (await secrets.open(slot.kms, { purpose: slot.type, tenant, slot: slot.id }, signal)).secret;
  const signed = (change: Partial<Keyring>) =>
    resign(remac({ ...made.keyring, ...change }, currentRoot(roots)), sealKeys);
  const stored = (keyring: Keyring) => canonicalJson(keyring).toString('utf8');
  const mixed = signed({ slots: byId<Slot>([...made.keyring.slots, key, alone]) });
  const required = signed({ slots: byId<Slot>([key, alone]), requireKms: 'yes' });
  const slowKeyring = signed({ slots: byId<Slot>([slow.key]) });
  const rootsInHex = Object.fromEntries([...roots].map(([epoch, root]) => [epoch, root.export().toString('hex')]));
  const resultOf = async (slot: typeof key, of: typeof apiKey) => {
    const callers = await slotSecretOf({ tenant, slot, secret: kdfInput(of), runner: new KdfRunner() }, signal);
    const halves = { callers, added: await opened(slot), salt: Buffer.from(slot.salt, 'base64') };
    const slotSecret = combinedSecret({ ...halves, tenant, slot: slot.id }).toString('hex');
    return { slot: slot.id, slotSecret, roots: rootsInHex };
  };
  const idOf = (slot: string, of: typeof apiKey) => sealAccessKeyId({ sealKeys, tenant, slot, apiKey: of });
  const own = {
    sealKeys: SEAL_KEYS,
    accessKeyId: idOf(key.id, apiKey),
    secretAccessKey: secretAccessKeyOf(apiKey),
    kmsSecret: (await opened(key)).toString('hex'),
    keyring: stored(mixed),
  };
  const refused = (name: string, result: string, changed: Partial<KmsVector>): KmsVector => ({
    name,
    ...own,
    ...changed,
    result,
  });
  const again = { ...key, kms: { ...key.kms, version: '7', blob: randomBytes(61).toString('base64') } };
  const { kms: _kms, ...withoutKms } = key;
  const { requireKms: _required, ...notRequired } = required;
  const altered = (kms: Readonly<Record<string, unknown>>) =>
    stored(
      resign(
        { ...mixed, slots: mixed.slots.map((one) => (one.id === key.id ? { ...key, kms } : one)) as Slot[] },
        sealKeys,
      ),
    );
  return [
    { name: 'an API key and a KMS', ...own, result: await resultOf(key, apiKey) },
    {
      name: 'an API key that was brought along, derived by argon2id, and a KMS',
      sealKeys: SEAL_KEYS,
      accessKeyId: idOf(slow.key.id, slow.apiKey),
      secretAccessKey: text,
      kmsSecret: (await opened(slow.key)).toString('hex'),
      keyring: stored(slowKeyring),
      result: await resultOf(slow.key, slow.apiKey),
    },
    { name: 'a KMS is required', ...own, keyring: stored(required), result: await resultOf(key, apiKey) },
    {
      name: 'a KMS alone',
      sealKeys: SEAL_KEYS,
      kmsSecret: (await opened(alone)).toString('hex'),
      keyring: stored(mixed),
      result: { slot: alone.id, slotSecret: (await opened(alone)).toString('hex'), roots: rootsInHex },
    },
    {
      name: 'the secret wrapped again by S, under another version',
      ...own,
      keyring: stored(
        resign({ ...mixed, slots: mixed.slots.map((one) => (one.id === key.id ? again : one)) }, sealKeys),
      ),
      result: await resultOf(key, apiKey),
    },
    refused('another secret from the KMS', 'commitment', { kmsSecret: randomBytes(32).toString('hex') }),
    refused('the secret of another slot', 'commitment', { kmsSecret: (await opened(alone)).toString('hex') }),
    refused('called an API key without a KMS by S', 'commitment', {
      keyring: stored(
        resign(
          {
            ...mixed,
            slots: mixed.slots.map((one) => (one.id === key.id ? { ...withoutKms, type: 'api-key' as const } : one)),
          },
          sealKeys,
        ),
      ),
    }),
    refused('a KMS is required, and a slot opens without one, signed by the root key', 'malformed', {
      keyring: stored(signed({ slots: mixed.slots, requireKms: 'yes' })),
    }),
    refused('the requirement taken away by S', 'root-mac', { keyring: stored(resign(notRequired, sealKeys)) }),
    refused('the requirement made by S', 'root-mac', {
      keyring: stored(resign({ ...signed({ slots: byId<Slot>([key, alone]) }), requireKms: 'yes' }, sealKeys)),
    }),
    refused('an address in the place of the name of the KMS', 'malformed', {
      keyring: altered({ ...key.kms, provider: 'https://kms.example' }),
    }),
    refused('an address beside the name of the KMS', 'malformed', {
      keyring: altered({ ...key.kms, endpoint: 'https://kms.example' }),
    }),
  ];
}

if (import.meta.main) {
  const file = new URL('../vectors/keyring/kms.json', import.meta.url);
  await writeFile(file, `${JSON.stringify(await makeKmsVectors(), null, 2)}\n`);
}
