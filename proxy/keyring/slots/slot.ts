/**
 * A slot: one API key's way to the tenant's root keys (crypto/FORMAT.md, "Keyring and access key ids", slots). The KDF
 * makes the slot secret, a commitment tells a wrong key before anything is unwrapped, and each epoch's root key is sealed
 * under a key from its own fresh salt, with the slot's key record as additional data.
 */
import { createSecretKey, type KeyObject, timingSafeEqual } from 'node:crypto';
import { uint32 } from '../../../crypto/bytes.ts';
import { openOnce, sealOnce } from '../../../crypto/gcm.ts';
import { deriveKey } from '../../../crypto/keys.ts';
import { randomSalt } from '../../../crypto/random.ts';
import { canonicalJson } from '../state/canonical-json.ts';
import type { Slot, Wrap } from '../state/document.ts';
import { type ApiKey, kdfInput } from './api-key.ts';
import type { Kdf, KdfRunner } from './kdf.ts';

const COMMIT_LABEL = 'sealgate/1/slot-commit';
const WRAP_LABEL = 'sealgate/1/root-wrap';

/** Root keys by epoch number. */
export type RootKeys = ReadonlyMap<number, KeyObject>;

/** `wrong-key`: the secret is not this slot's. `damaged`: it is, and yet a wrap does not open. */
export type OpenedSlot = { readonly roots: RootKeys } | { readonly failure: 'wrong-key' | 'damaged' };

/** What the operator decides about a slot: covered by the operator's MAC and not by the root's. */
export type OperatorTerms = Omit<Slot, keyof SlotRecord | 'wraps'>;

/** The same, with the slot's id and creation time. */
export type SlotTerms = OperatorTerms & Pick<Slot, 'id' | 'created'>;

/**
 * Seals every root key for `apiKey`.
 * @throws RangeError when hkdf-sha256 is asked for a key that was not generated: it may hold less than 256 bits.
 */
export async function sealSlot(
  o: { tenant: string; terms: SlotTerms; apiKey: ApiKey; kdf: Kdf; roots: RootKeys; runner: KdfRunner },
  signal: AbortSignal,
): Promise<Slot> {
  if (o.kdf.name === 'hkdf-sha256' && o.apiKey.type !== 'generated') {
    throw new RangeError('hkdf-sha256 is for generated API keys; others need argon2id or pbkdf2-sha256.');
  }
  const salt = randomSalt();
  const ids = { tenant: Buffer.from(o.tenant, 'hex'), slot: Buffer.from(o.terms.id, 'hex') };
  const slotSecret = await o.runner.derive({ kdf: o.kdf, secret: kdfInput(o.apiKey), salt, ...ids }, signal);
  try {
    const commitment = commitmentOf(slotSecret, salt, ids).toString('base64');
    const { id, created } = o.terms;
    const record = { commitment, created, id, kdf: o.kdf, salt: salt.toString('base64'), type: 'api-key' } as const;
    const wraps = [...o.roots].map(([epoch, root]) => wrapRoot({ slotSecret, ...ids, record, epoch, root }));
    return { ...o.terms, ...record, wraps: wraps.sort((a, b) => a.epoch - b.epoch) };
  } finally {
    slotSecret.fill(0);
  }
}

/** `secret`: see `kdfInput`. The KDF runs; nothing is unwrapped unless the commitment matches. */
export async function openSlot(
  o: { tenant: string; slot: Slot; secret: Buffer; runner: KdfRunner },
  signal: AbortSignal,
): Promise<OpenedSlot> {
  const { slot, secret } = o;
  const salt = Buffer.from(slot.salt, 'base64');
  const ids = { tenant: Buffer.from(o.tenant, 'hex'), slot: Buffer.from(slot.id, 'hex') };
  const slotSecret = await o.runner.derive({ kdf: slot.kdf, secret, salt, ...ids }, signal);
  try {
    const committed = Buffer.from(slot.commitment, 'base64');
    if (!timingSafeEqual(commitmentOf(slotSecret, salt, ids), committed)) return { failure: 'wrong-key' };
    const roots = new Map<number, KeyObject>();
    for (const wrap of slot.wraps) {
      const root = unwrapRoot({ slotSecret, ...ids, record: slotRecord(slot), wrap });
      if (root === undefined) return { failure: 'damaged' };
      roots.set(wrap.epoch, root);
    }
    return { roots };
  } finally {
    slotSecret.fill(0);
  }
}

/** The additional data of each wrap. */
export type SlotRecord = Pick<Slot, 'commitment' | 'created' | 'id' | 'kdf' | 'salt' | 'type'>;

/** The slot without the operator's terms and without the wraps. */
export function slotRecord({ commitment, created, id, kdf, salt, type }: Slot): SlotRecord {
  return { commitment, created, id, kdf, salt, type };
}

interface Ids {
  readonly tenant: Buffer;
  readonly slot: Buffer;
}

function commitmentOf(slotSecret: Buffer, salt: Buffer, { tenant, slot }: Ids): Buffer {
  return deriveKey(slotSecret, { label: COMMIT_LABEL, salt, context: [tenant, slot] });
}

function wrapRoot(o: Ids & { slotSecret: Buffer; record: SlotRecord; epoch: number; root: KeyObject }): Wrap {
  const salt = randomSalt();
  const key = wrapKey({ ...o, salt });
  const root = o.root.export();
  const wrapped = sealOnce(key, root, canonicalJson(o.record)).toString('base64');
  key.fill(0);
  root.fill(0);
  return { epoch: o.epoch, salt: salt.toString('base64'), wrapped };
}

function unwrapRoot(o: Ids & { slotSecret: Buffer; record: SlotRecord; wrap: Wrap }): KeyObject | undefined {
  const { epoch, salt, wrapped } = o.wrap;
  const key = wrapKey({ ...o, epoch, salt: Buffer.from(salt, 'base64') });
  const root = openOnce(key, Buffer.from(wrapped, 'base64'), canonicalJson(o.record));
  key.fill(0);
  if (root === undefined) return undefined;
  // The KeyObject holds a copy: only then may the buffer be wiped, and never the key that is in use.
  const rootKey = createSecretKey(root);
  root.fill(0);
  return rootKey;
}

function wrapKey(o: Ids & { slotSecret: Buffer; epoch: number; salt: Buffer }): Buffer {
  return deriveKey(o.slotSecret, { label: WRAP_LABEL, salt: o.salt, context: [o.tenant, o.slot, uint32(o.epoch)] });
}
