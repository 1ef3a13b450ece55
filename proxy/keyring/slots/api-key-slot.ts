/**
 * Slots of type `api-key`: one API key's way to the tenant's root keys (crypto/FORMAT.md, "Keyring and access key ids", slots
 * of type api-key). The KDF makes the slot secret, a commitment tells a wrong key before anything is unwrapped, and each
 * epoch's root key is sealed under a key from its own fresh salt, with the slot's record as additional data.
 */
import { z } from 'zod';
import { randomSalt } from '../../../crypto/random.ts';
import { MAX_KEYRING_SLOTS } from '../../limits.ts';
import type { Grant } from '../grants.ts';
import { base64, slotId, time, wrapsOf } from '../state/fields.ts';
import { type ApiKey, kdfInput } from './api-key.ts';
import { type Kdf, type KdfRunner, kdfSchema } from './kdf.ts';
import { nextKdf } from './requested-kdf.ts';
import { commitmentOf, secretWrapSchema, unwrapRoots, wrapRoots } from './secret-wraps.ts';
import { isServerManaged, type SlotTerms, sealKeyIdsOf, TERMS, termsFault } from './slot-terms.ts';
import type { AtHand, KeyOpening, OpenedSlot, Reseal, RootKeys, SecretOpening, SlotType } from './slot-type.ts';

/** Under the root MAC, and additional data of each wrap. */
const RECORD = {
  commitment: base64(32),
  created: time,
  id: slotId,
  kdf: kdfSchema,
  salt: base64(32),
  type: z.literal('api-key'),
};

const schema = z.strictObject({ ...RECORD, ...TERMS, wraps: wrapsOf(secretWrapSchema) });

export type ApiKeySlot = z.infer<typeof schema>;
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
  needsKms: false,
  record,
  fault: (slot) => termsFault(slot),
  grants: ({ grants, policy }) => (policy === null ? grants : ANYTHING),
  serverManaged: (slot) => isServerManaged(slot),
  sealKeyIds: (slot, o) => sealKeyIdsOf(slot, o),
  details: () => ({}),
  reseal,
  seal,
  open,
  openBySecret,
} as const satisfies SlotType<ApiKeySlot, Sealing, KeyOpening>;

/** @throws RangeError when hkdf-sha256 is asked for a key that was not generated: it may hold less than 256 bits. */
async function seal(
  o: { readonly tenant: string; readonly roots: RootKeys } & Sealing,
  signal: AbortSignal,
): Promise<ApiKeySlot> {
  if (o.kdf.name === 'hkdf-sha256' && o.apiKey.type !== 'generated') {
    throw new RangeError('hkdf-sha256 is for generated API keys; others need argon2id or pbkdf2-sha256.');
  }
  const { tenant, roots, runner, kdf } = o;
  const { id, created } = o.terms;
  const salt = randomSalt();
  const slot = { id, kdf, salt: salt.toString('base64') };
  const slotSecret = await slotSecretOf({ tenant, slot, secret: kdfInput(o.apiKey), runner }, signal);
  try {
    const of = { slotSecret, tenant, slot: id };
    const sealed = { commitment: commitmentOf(of, salt), created, ...slot, type: 'api-key' } as const;
    return { ...o.terms, ...sealed, wraps: wrapRoots({ ...of, record: sealed, roots }) };
  } finally {
    slotSecret.fill(0);
  }
}

/** The KDF runs; nothing is unwrapped unless the commitment matches. */
async function open(
  o: { readonly tenant: string; readonly slot: ApiKeySlot } & KeyOpening,
  signal: AbortSignal,
): Promise<OpenedSlot> {
  const slotSecret = await slotSecretOf(o, signal);
  try {
    return openBySecret({ tenant: o.tenant, slot: o.slot, slotSecret });
  } finally {
    slotSecret.fill(0);
  }
}

function openBySecret(o: { readonly tenant: string; readonly slot: ApiKeySlot } & SecretOpening): OpenedSlot {
  const { tenant, slot, slotSecret } = o;
  const { salt, commitment, wraps } = slot;
  return unwrapRoots({ slotSecret, tenant, slot: slot.id, salt, commitment, record: record(slot), wraps });
}

/** The KDF runs. 32 bytes, for the caller to wipe. @throws S3Error SlowDown; the signal's reason */
export function slotSecretOf(
  o: { readonly tenant: string; readonly slot: Pick<ApiKeySlot, 'id' | 'kdf' | 'salt'> } & KeyOpening,
  signal: AbortSignal,
): Promise<Buffer> {
  const { id, kdf } = o.slot;
  const ids = { tenant: Buffer.from(o.tenant, 'hex'), slot: Buffer.from(id, 'hex') };
  return o.runner.derive({ kdf, secret: o.secret, salt: Buffer.from(o.slot.salt, 'base64'), ...ids }, signal);
}

function record({ commitment, created, id, kdf, salt, type }: ApiKeySlot): Record {
  return { commitment, created, id, kdf, salt, type };
}

/** With the slot's API key: its terms stay. Its sessions end, so a stronger KDF that was requested is taken up. */
function reseal(slot: ApiKeySlot, { keys }: AtHand): Reseal<ApiKeySlot> | undefined {
  const key = keys.find((one) => one.slot === slot.id);
  if (key === undefined) return undefined;
  return ({ tenant, roots, runner }, signal) =>
    seal(
      { tenant, roots, runner, terms: { ...slot, kdfUpgrade: null }, apiKey: key.apiKey, kdf: nextKdf(slot) },
      signal,
    );
}
