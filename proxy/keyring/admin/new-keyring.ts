/** The first keyring of a tenant: one key, one epoch, generation 1, both MACs (crypto/FORMAT.md, keyring). */

import type { SealKey } from '../access-keys/seal-keys.ts';
import { newSlotId } from '../ids.ts';
import type { ApiKey } from '../slots/api-key.ts';
import { escrowSlot } from '../slots/escrow-slot.ts';
import type { Kdf, KdfRunner } from '../slots/kdf.ts';
import type { KmsFactor } from '../slots/kms-part.ts';
import { sealKeySlot } from '../slots/seal-key-slot.ts';
import type { SlotTerms } from '../slots/slot-terms.ts';
import { KEYRING_FORMAT } from '../state/document.ts';
import { timestamp } from '../state/fields.ts';
import { type RootPart, rootMac } from '../state/macs.ts';
import { newRootKey, signKeyring } from '../state/sign-keyring.ts';
import { byId } from './edit-slots.ts';

export interface NewKeyring {
  readonly tenant: string;
  /** For people; '' for none. */
  readonly name: string;
  readonly terms: SlotTerms;
  readonly apiKey: ApiKey;
  readonly kdf: Kdf;
  readonly now: Date;
  readonly sealKey: SealKey;
  readonly runner: KdfRunner;
  /** 32 bytes: the root key is escrowed to it. */
  readonly escrowPublicKey?: Buffer | undefined;
  /** A key of a KMS that must agree whenever the API key is used; and whether every further way in must need one. */
  readonly factor?: KmsFactor | undefined;
  readonly requireKms?: boolean | undefined;
}

/** Returns the bytes to store. The root key is made here, and leaves this function only wrapped. */
export async function newKeyring(o: NewKeyring, signal: AbortSignal): Promise<Buffer> {
  const created = timestamp(o.now);
  const root = newRootKey();
  const roots = new Map([[1, root]]);
  const { tenant, terms, apiKey, kdf, runner, factor } = o;
  const slot = await sealKeySlot({ tenant, terms, apiKey, kdf, roots, runner, factor }, signal);
  // An escrow would be a way in without the KMS.
  const publicKey = o.requireKms === true ? undefined : o.escrowPublicKey;
  const id = newSlotId(new Set([slot.id]));
  const escrow = publicKey && (await escrowSlot.seal({ tenant, roots, id, publicKey, now: o.now }));
  const rootPart: RootPart = {
    format: KEYRING_FORMAT,
    tenant,
    epochs: [{ created, epoch: 1, state: 'current' }],
    slots: byId(escrow === undefined ? [slot] : [slot, escrow]),
    removed: [],
    ...(o.requireKms === true ? { requireKms: 'yes' as const } : {}),
  };
  return signKeyring(
    { ...rootPart, created, updated: created, generation: 1, name: o.name, rootMac: rootMac(rootPart, root) },
    o.sealKey,
  );
}
