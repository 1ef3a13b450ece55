/**
 * Slots of type `api-key+kms`: an API key's way to the tenant's root keys that a key of a KMS must agree to (crypto/FORMAT.md,
 * "Keyring and access key ids", slots of type api-key+kms). The API key gives one half of the slot secret, as for a slot of type
 * `api-key`, and the KMS the other one. So the seal key, an access key id and both buckets open nothing without the KMS, which
 * writes down each call and can refuse it.
 */
import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { randomSalt } from '../../../crypto/random.ts';
import type { KmsSecrets, KmsWrap } from '../../kms/kms-secrets.ts';
import { MAX_KEYRING_SLOTS } from '../../limits.ts';
import type { Grant } from '../grants.ts';
import { base64, slotId, time, wrapsOf } from '../state/fields.ts';
import { type ApiKey, kdfInput } from './api-key.ts';
import { slotSecretOf } from './api-key-slot.ts';
import { type Kdf, type KdfRunner, kdfSchema } from './kdf.ts';
import { combinedSecret, type KmsFactor, kmsPartSchema, openKmsPart } from './kms-part.ts';
import { nextKdf } from './requested-kdf.ts';
import { commitmentOf, secretWrapSchema, unwrapRoots, wrapRoots } from './secret-wraps.ts';
import { isServerManaged, type SlotTerms, sealKeyIdsOf, TERMS, termsFault } from './slot-terms.ts';
import type { AtHand, KeyOpening, OpenedSlot, Reseal, RootKeys, SecretOpening, SlotType } from './slot-type.ts';

/** Under the root MAC, and additional data of each wrap: that a KMS is needed cannot be taken back without the root key. */
const RECORD = {
  commitment: base64(32),
  created: time,
  id: slotId,
  kdf: kdfSchema,
  salt: base64(32),
  type: z.literal('api-key+kms'),
};

const schema = z.strictObject({ ...RECORD, ...TERMS, kms: kmsPartSchema, wraps: wrapsOf(secretWrapSchema) });

export type ApiKeyKmsSlot = z.infer<typeof schema>;
type Record = Pick<ApiKeyKmsSlot, keyof typeof RECORD>;

const ANYTHING: readonly Grant[] = [{ bucket: '*', prefix: '', access: 'read-write' }];

interface Sealing {
  readonly terms: SlotTerms;
  readonly apiKey: ApiKey;
  readonly kdf: Kdf;
  readonly runner: KdfRunner;
  readonly factor: KmsFactor;
}

export const apiKeyKmsSlot = {
  type: 'api-key+kms',
  schema,
  most: MAX_KEYRING_SLOTS,
  signs: true,
  operatorRemoves: true,
  needsKms: true,
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
} as const satisfies SlotType<ApiKeyKmsSlot, Sealing, KeyOpening>;

/** The secret of the KMS is a fresh one. @throws RangeError as slots of type api-key; S3Error ServiceUnavailable */
async function seal(
  o: { readonly tenant: string; readonly roots: RootKeys } & Sealing,
  signal: AbortSignal,
): Promise<ApiKeyKmsSlot> {
  if (o.kdf.name === 'hkdf-sha256' && o.apiKey.type !== 'generated') {
    throw new RangeError('hkdf-sha256 is for generated API keys; others need argon2id or pbkdf2-sha256.');
  }
  const { tenant, roots, runner, kdf, factor } = o;
  const { id, created } = o.terms;
  const salt = randomSalt();
  const slot = { id, kdf, salt: salt.toString('base64') };
  const added = randomBytes(32);
  const callers = await slotSecretOf({ tenant, slot, secret: kdfInput(o.apiKey), runner }, signal);
  const slotSecret = combinedSecret({ callers, added, salt, tenant, slot: id });
  try {
    const kms = await factor.secrets.seal(added, factor.key, { purpose: 'api-key+kms', tenant, slot: id }, signal);
    const of = { slotSecret, tenant, slot: id };
    const sealed = { commitment: commitmentOf(of, salt), created, ...slot, type: 'api-key+kms' } as const;
    return { ...termsOf(o.terms), ...sealed, kms, wraps: wrapRoots({ ...of, record: sealed, roots }) };
  } finally {
    for (const secret of [added, callers, slotSecret]) secret.fill(0);
  }
}

/** The KDF runs, and the KMS is asked; nothing is unwrapped unless the commitment matches. */
async function open(
  o: { readonly tenant: string; readonly slot: ApiKeyKmsSlot } & KeyOpening,
  signal: AbortSignal,
): Promise<OpenedSlot> {
  const slotSecret = await slotSecretOf(o, signal);
  try {
    return await openBySecret({ tenant: o.tenant, slot: o.slot, slotSecret, kms: o.kms }, signal);
  } finally {
    slotSecret.fill(0);
  }
}

/** `slotSecret`: the caller's half, as a session token carries it. */
async function openBySecret(
  o: { readonly tenant: string; readonly slot: ApiKeyKmsSlot } & SecretOpening,
  signal: AbortSignal,
): Promise<OpenedSlot> {
  const { tenant, slot } = o;
  const added = await openKmsPart({ tenant, slot, kms: o.kms }, signal);
  if (added === 'mismatch') return { failure: 'damaged' };
  const { salt, commitment, wraps, id } = slot;
  const halves = { callers: o.slotSecret, added: added.secret, salt: Buffer.from(salt, 'base64') };
  const slotSecret = combinedSecret({ ...halves, tenant, slot: id });
  try {
    const opened = unwrapRoots({ slotSecret, tenant, slot: id, salt, commitment, record: record(slot), wraps });
    return 'roots' in opened ? { ...opened, until: added.until } : opened;
  } finally {
    added.secret.fill(0);
    slotSecret.fill(0);
  }
}

function record({ commitment, created, id, kdf, salt, type }: ApiKeyKmsSlot): Record {
  return { commitment, created, id, kdf, salt, type };
}

/** With the slot's API key, under the same key of the KMS. Its sessions end, as for a slot of type api-key. */
function reseal(slot: ApiKeyKmsSlot, { keys }: AtHand): Reseal<ApiKeyKmsSlot> | undefined {
  const key = keys.find((one) => one.slot === slot.id);
  if (key === undefined) return undefined;
  return ({ tenant, roots, runner, kms }, signal) => {
    const factor = { secrets: kms, key: keyOf(slot.kms) };
    const terms = { ...slot, kdfUpgrade: null };
    return seal({ tenant, roots, runner, terms, apiKey: key.apiKey, kdf: nextKdf(slot), factor }, signal);
  };
}

function keyOf({ provider, key }: KmsWrap): KmsFactor['key'] {
  return { provider, key };
}

/** Of whatever slot they come from. */
function termsOf(o: SlotTerms): SlotTerms {
  const { accessKeyId, created, expires, grants, id, idKid, kdfUpgrade, label, policy } = o;
  const { registeredIds, sessionSerial, status } = o;
  return {
    accessKeyId,
    created,
    expires,
    grants,
    id,
    idKid,
    kdfUpgrade,
    label,
    policy,
    registeredIds,
    sessionSerial,
    status,
  };
}

/** What a key gets that is made by, or in the place of, a key with a KMS. */
export function factorOf(slot: Pick<ApiKeyKmsSlot, 'kms'>, secrets: KmsSecrets): KmsFactor {
  return { secrets, key: keyOf(slot.kms) };
}
