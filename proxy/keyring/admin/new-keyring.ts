/** The first keyring of a tenant: one slot, one epoch, generation 1, both MACs (crypto/FORMAT.md, keyring). */

import type { SealKey } from '../access-keys/seal-keys.ts';
import type { ApiKey } from '../slots/api-key.ts';
import type { Kdf, KdfRunner } from '../slots/kdf.ts';
import { type RootKeys, type SlotTerms, sealSlot } from '../slots/slot.ts';
import { type Escrow, KEYRING_FORMAT, timestamp } from '../state/document.ts';
import { type RootPart, rootMac } from '../state/macs.ts';
import { newRootKey, signKeyring } from '../state/sign-keyring.ts';

export interface NewKeyring {
  readonly tenant: string;
  readonly terms: SlotTerms;
  readonly apiKey: ApiKey;
  readonly kdf: Kdf;
  readonly now: Date;
  readonly sealKey: SealKey;
  readonly runner: KdfRunner;
  /** Makes the escrow member; without it there is none. */
  readonly escrow?: (roots: RootKeys) => Promise<Escrow>;
}

/** The bytes to store. The root key is made here, and leaves only wrapped. */
export async function newKeyring(o: NewKeyring, signal: AbortSignal): Promise<Buffer> {
  const created = timestamp(o.now);
  const root = newRootKey();
  const roots = new Map([[1, root]]);
  const { tenant, terms, apiKey, kdf, runner } = o;
  const slot = await sealSlot({ tenant, terms, apiKey, kdf, roots, runner }, signal);
  const rootPart: RootPart = {
    format: KEYRING_FORMAT,
    tenant,
    epochs: [{ created, epoch: 1, state: 'current' }],
    escrow: (await o.escrow?.(roots)) ?? null,
    slots: [slot],
    removed: [],
  };
  return signKeyring(
    { ...rootPart, created, updated: created, generation: 1, rootMac: rootMac(rootPart, root) },
    o.sealKey,
  );
}
