/**
 * Slots of type `api-key`: one API key's way to the tenant's root keys (crypto/FORMAT.md, "Keyring and access key ids", slots
 * of type api-key). The KDF makes the slot secret, a commitment tells a wrong key before anything is unwrapped, and each
 * epoch's root key is sealed under a key from its own fresh salt, with the slot's record as additional data.
 */
import { createSecretKey, type KeyObject, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import { uint32 } from '../../../crypto/bytes.ts';
import { openOnce, sealOnce } from '../../../crypto/gcm.ts';
import { deriveKey } from '../../../crypto/keys.ts';
import { randomSalt } from '../../../crypto/random.ts';
import { MAX_KEYRING_SLOTS } from '../../limits.ts';
import type { Grant } from '../grants.ts';
import { canonicalJson } from '../state/canonical-json.ts';
import { base64, epochNumber, slotId, time, wrapsOf } from '../state/fields.ts';
import { type ApiKey, kdfInput } from './api-key.ts';
import { type Kdf, type KdfRunner, kdfSchema } from './kdf.ts';
import { isServerManaged, type SlotTerms, sealKeyIdsOf, TERMS, termsFault } from './slot-terms.ts';
import type { AtHand, KeyOpening, OpenedSlot, Reseal, RootKeys, SlotType } from './slot-type.ts';

const COMMIT_LABEL = 'sealgate/1/slot-commit';
const WRAP_LABEL = 'sealgate/1/root-wrap';

const wrapSchema = z.strictObject({ epoch: epochNumber, salt: base64(32), wrapped: base64(48) });

/** Under the root MAC, and additional data of each wrap. */
const RECORD = {
  commitment: base64(32),
  created: time,
  id: slotId,
  kdf: kdfSchema,
  salt: base64(32),
  type: z.literal('api-key'),
};

const schema = z.strictObject({ ...RECORD, ...TERMS, wraps: wrapsOf(wrapSchema) });

export type ApiKeySlot = z.infer<typeof schema>;
type Wrap = z.infer<typeof wrapSchema>;
type Record = Pick<ApiKeySlot, keyof typeof RECORD>;

const ANYTHING: readonly Grant[] = [{ bucket: '*', prefix: '', access: 'read-write' }];

interface Sealing {
  readonly terms: SlotTerms;
  readonly apiKey: ApiKey;
  readonly kdf: Kdf;
  readonly runner: KdfRunner;
}

export const apiKeySlot = {
  type: 'api-key',
  schema,
  most: MAX_KEYRING_SLOTS,
  signs: true,
  operatorRemoves: true,
  record,
  fault: (slot) => termsFault(slot),
  grants: ({ grants, policy }) => (policy === null ? grants : ANYTHING),
  serverManaged: (slot) => isServerManaged(slot),
  sealKeyIds: (slot, o) => sealKeyIdsOf(slot, o),
  details: () => ({}),
  reseal,
  seal,
  open,
} as const satisfies SlotType<ApiKeySlot, Sealing, KeyOpening>;

/** @throws RangeError when hkdf-sha256 is asked for a key that was not generated: it may hold less than 256 bits. */
async function seal(
  o: { readonly tenant: string; readonly roots: RootKeys } & Sealing,
  signal: AbortSignal,
): Promise<ApiKeySlot> {
  if (o.kdf.name === 'hkdf-sha256' && o.apiKey.type !== 'generated') {
    throw new RangeError('hkdf-sha256 is for generated API keys; others need argon2id or pbkdf2-sha256.');
  }
  const salt = randomSalt();
  const ids = { tenant: Buffer.from(o.tenant, 'hex'), slot: Buffer.from(o.terms.id, 'hex') };
  const slotSecret = await o.runner.derive({ kdf: o.kdf, secret: kdfInput(o.apiKey), salt, ...ids }, signal);
  try {
    const commitment = commitmentOf(slotSecret, salt, ids).toString('base64');
    const { id, created } = o.terms;
    const sealed = { commitment, created, id, kdf: o.kdf, salt: salt.toString('base64'), type: 'api-key' } as const;
    const wraps = [...o.roots].map(([epoch, root]) => wrapRoot({ slotSecret, ...ids, record: sealed, epoch, root }));
    return { ...o.terms, ...sealed, wraps: wraps.sort((a, b) => a.epoch - b.epoch) };
  } finally {
    slotSecret.fill(0);
  }
}

/** The KDF runs; nothing is unwrapped unless the commitment matches. */
async function open(
  o: { readonly tenant: string; readonly slot: ApiKeySlot } & KeyOpening,
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
      const root = unwrapRoot({ slotSecret, ...ids, record: record(slot), wrap });
      if (root === undefined) return { failure: 'damaged' };
      roots.set(wrap.epoch, root);
    }
    return { roots };
  } finally {
    slotSecret.fill(0);
  }
}

function record({ commitment, created, id, kdf, salt, type }: ApiKeySlot): Record {
  return { commitment, created, id, kdf, salt, type };
}

/** With the slot's API key: its terms and its KDF stay. */
function reseal(slot: ApiKeySlot, { keys }: AtHand): Reseal<ApiKeySlot> | undefined {
  const key = keys.find((one) => one.slot === slot.id);
  if (key === undefined) return undefined;
  return ({ tenant, roots, runner }, signal) =>
    seal({ tenant, roots, runner, terms: slot, apiKey: key.apiKey, kdf: slot.kdf }, signal);
}

interface Ids {
  readonly tenant: Buffer;
  readonly slot: Buffer;
}

function commitmentOf(slotSecret: Buffer, salt: Buffer, { tenant, slot }: Ids): Buffer {
  return deriveKey(slotSecret, { label: COMMIT_LABEL, salt, context: [tenant, slot] });
}

function wrapRoot(o: Ids & { slotSecret: Buffer; record: Record; epoch: number; root: KeyObject }): Wrap {
  const salt = randomSalt();
  const key = wrapKey({ ...o, salt });
  const root = o.root.export();
  const wrapped = sealOnce(key, root, canonicalJson(o.record)).toString('base64');
  key.fill(0);
  root.fill(0);
  return { epoch: o.epoch, salt: salt.toString('base64'), wrapped };
}

function unwrapRoot(o: Ids & { slotSecret: Buffer; record: Record; wrap: Wrap }): KeyObject | undefined {
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
