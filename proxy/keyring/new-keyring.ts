/** The first keyring of a tenant: one slot, one epoch, generation 1, both MACs (crypto/FORMAT.md, keyring). */
import { createSecretKey, type KeyObject } from 'node:crypto';
import { randomSalt } from '../../crypto/random.ts';
import type { ApiKey } from './api-key.ts';
import { KEYRING_FORMAT, type Keyring, serializeKeyring, timestamp } from './document.ts';
import type { Grant } from './grants.ts';
import type { Kdf, KdfRunner } from './kdf.ts';
import { operatorMac, type RootPart, rootMac } from './macs.ts';
import type { SealKey } from './seal-keys.ts';
import { sealSlot } from './slot.ts';

export interface NewKeyring {
  readonly tenant: string;
  readonly slot: string;
  readonly apiKey: ApiKey;
  readonly kdf: Kdf;
  readonly grants: readonly Grant[];
  readonly label: string;
  readonly now: Date;
  readonly sealKey: SealKey;
  readonly runner: KdfRunner;
}

/** The bytes to store. The root key is made here, and leaves only wrapped. */
export async function newKeyring(o: NewKeyring, signal: AbortSignal): Promise<Buffer> {
  const created = timestamp(o.now);
  const root = newRootKey();
  const terms = { id: o.slot, created, expires: null, grants: [...o.grants], label: o.label };
  const { tenant, apiKey, kdf, runner } = o;
  const slot = await sealSlot({ tenant, terms, apiKey, kdf, roots: new Map([[1, root]]), runner }, signal);
  const rootPart: RootPart = {
    format: KEYRING_FORMAT,
    tenant,
    epochs: [{ created, epoch: 1, state: 'current' }],
    escrow: null,
    slots: [slot],
    removed: [],
  };
  return signKeyring(
    { ...rootPart, created, updated: created, generation: 1, rootMac: rootMac(rootPart, root) },
    o.sealKey,
  );
}

/** Signs as the operator and serializes: every write of a keyring ends here. */
function signKeyring(keyring: Omit<Keyring, 'operatorKid' | 'operatorMac'>, sealKey: SealKey): Buffer {
  const covered = { ...keyring, operatorKid: sealKey.kid };
  return serializeKeyring({ ...covered, operatorMac: operatorMac(covered, sealKey) });
}

function newRootKey(): KeyObject {
  const bytes = randomSalt();
  const root = createSecretKey(bytes);
  bytes.fill(0);
  return root;
}
