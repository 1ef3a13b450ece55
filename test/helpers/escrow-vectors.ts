/**
 * Makes test/vectors/keyring/escrow.json: run with Node from the repository's root. The values are random, as those of
 * keyring-vectors.ts; only a change of the format is a reason to make others.
 */
import type { KeyObject } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { unusedSlotId, withEscrowSlot } from '../../proxy/keyring/admin/edit-slots.ts';
import { type EscrowPrivateKey, generateEscrowKey } from '../../proxy/keyring/slots/escrow-key.ts';
import { type EscrowSlot, escrowSlot } from '../../proxy/keyring/slots/escrow-slot.ts';
import { canonicalJson } from '../../proxy/keyring/state/canonical-json.ts';
import type { Keyring } from '../../proxy/keyring/state/document.ts';
import { CREATED, currentRoot, makeTenant, remac, resign } from './keyring-fixture.ts';
import { vectorSealKeys } from './keyring-vectors.ts';

export interface EscrowVector {
  readonly name: string;
  readonly sealKeys: readonly { readonly kid: string; readonly key: string }[];
  /** Hex of 32 bytes. */
  readonly privateKey: string;
  /** The stored text. */
  readonly keyring: string;
  /** Root keys in hex by epoch, or the step that refuses. */
  readonly result: Readonly<Record<string, string>> | 'escrow' | 'root-mac';
}

const SEAL_KEYS = [{ kid: 'vector-1', key: '11'.repeat(32) }] as const;

export async function makeEscrowVectors(): Promise<readonly EscrowVector[]> {
  const sealKeys = vectorSealKeys(SEAL_KEYS);
  const key = generateEscrowKey();
  const [one, other] = [await makeEscrowed(key), await makeEscrowed(key)];
  const [first, second] = one.escrow.wraps;
  const [foreign] = other.escrow.wraps;
  if (first === undefined || second === undefined || foreign === undefined) throw new Error('A wrap is missing.');
  // Signed by the tenant itself: what the escrow binds must be refused by the escrow alone.
  const signed = (escrow: EscrowSlot) =>
    resign(remac(withEscrowSlot(one.keyring, escrow), currentRoot(one.roots)), sealKeys);
  const wraps = (...changed: EscrowSlot['wraps']) => signed({ ...one.escrow, wraps: changed });
  const short = Buffer.from(first.wrapped, 'base64');
  short.writeUInt8(short.readUInt8(47) ^ 1, 47);
  const vector = (name: string, keyring: Keyring, result: EscrowVector['result'], by = key): EscrowVector => ({
    name,
    sealKeys: SEAL_KEYS,
    privateKey: by.secret.toString('hex'),
    keyring: canonicalJson(keyring).toString('utf8'),
    result,
  });
  const roots = Object.fromEntries([...one.roots].map(([epoch, root]) => [epoch, hexOf(root)]));
  return [
    vector('two epochs in use and one retired', signed(one.escrow), roots),
    vector('another private key', signed(one.escrow), 'escrow', generateEscrowKey()),
    vector("one wrap of another tenant's", wraps({ ...foreign, epoch: first.epoch }, second), 'escrow'),
    vector(
      'the wraps of two epochs exchanged',
      wraps({ ...second, epoch: first.epoch }, { ...first, epoch: second.epoch }),
      'escrow',
    ),
    vector('a sealed key with a bit changed', wraps({ ...first, wrapped: short.toString('base64') }, second), 'escrow'),
    vector(
      'an encapsulation of zeros',
      wraps({ ...first, enc: Buffer.alloc(32).toString('base64') }, second),
      'escrow',
    ),
    vector('another creation time', signed({ ...one.escrow, created: '2027-01-01T00:00:00Z' }), 'escrow'),
    vector('another slot id', signed({ ...one.escrow, id: 'fffffffe' }), 'escrow'),
    vector(
      'no escrow',
      resign(remac(withEscrowSlot(one.keyring, undefined), currentRoot(one.roots)), sealKeys),
      'escrow',
    ),
    vector(
      "another tenant's keyring under this root MAC",
      resign({ ...other.keyring, rootMac: one.keyring.rootMac }, sealKeys),
      'root-mac',
    ),
  ];
}

async function makeEscrowed(key: EscrowPrivateKey) {
  const sealKeys = vectorSealKeys(SEAL_KEYS);
  const epochs = [
    { created: CREATED, epoch: 1, state: 'retired' as const },
    { created: CREATED, epoch: 2, state: 'draining' as const },
    { created: CREATED, epoch: 3, state: 'current' as const },
  ];
  const { tenant, keyring, roots } = await makeTenant({ sealKeys, epochs });
  const id = unusedSlotId(keyring);
  const escrow = await escrowSlot.seal({ id, publicKey: key.publicKey, tenant, roots, now: new Date(CREATED) });
  return { roots, escrow, keyring: resign(remac(withEscrowSlot(keyring, escrow), currentRoot(roots)), sealKeys) };
}

function hexOf(key: KeyObject): string {
  return key.export().toString('hex');
}

if (import.meta.main) {
  const file = new URL('../vectors/keyring/escrow.json', import.meta.url);
  await writeFile(file, `${JSON.stringify(await makeEscrowVectors(), null, 2)}\n`);
}
