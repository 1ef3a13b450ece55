/**
 * Slots of type `kms`: a key of a KMS alone is the way to the tenant's root keys (crypto/FORMAT.md, "Keyring and access key ids",
 * slots of type kms). A server or a command that may use the key opens the tenant without any key of the tenant: the tenant is
 * server-managed, and labelled so. Such a slot is for work that runs unattended. It signs no request and gives no session.
 */
import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { randomSalt } from '../../../crypto/random.ts';
import type { KmsSecrets } from '../../kms/kms-secrets.ts';
import { MAX_KEYRING_KMS_SLOTS } from '../../kms-limits.ts';
import { base64, slotId, time, timestamp, wrapsOf } from '../state/fields.ts';
import { type KmsFactor, kmsPartSchema, openKmsPart } from './kms-part.ts';
import { commitmentOf, secretWrapSchema, unwrapRoots, wrapRoots } from './secret-wraps.ts';
import { TERMS } from './slot-terms.ts';
import type { OpenedSlot, Reseal, RootKeys, SlotType } from './slot-type.ts';

/** Under the root MAC, and additional data of each wrap. */
const RECORD = {
  commitment: base64(32),
  created: time,
  id: slotId,
  salt: base64(32),
  type: z.literal('kms'),
};

const schema = z.strictObject({
  ...RECORD,
  kms: kmsPartSchema,
  label: TERMS.label,
  wraps: wrapsOf(secretWrapSchema),
});

export type KmsSlot = z.infer<typeof schema>;

interface Sealing {
  /** 8 hex digits. */
  readonly id: string;
  readonly label: string;
  readonly factor: KmsFactor;
  readonly now: Date;
}

interface Opening {
  readonly kms: KmsSecrets | undefined;
}

export const kmsSlot = {
  type: 'kms',
  schema,
  most: MAX_KEYRING_KMS_SLOTS,
  signs: false,
  operatorRemoves: true,
  needsKms: true,
  record,
  fault: () => undefined,
  grants: () => [],
  serverManaged: () => true,
  sealKeyIds: () => [],
  details: ({ kms, label }) => ({
    ...(label === '' ? {} : { label }),
    provider: kms.provider,
    key: kms.key,
    version: kms.version,
    wrapped: kms.wrapped,
  }),
  reseal,
  seal,
  open,
} as const satisfies SlotType<KmsSlot, Sealing, Opening>;

/** The slot secret is what the KMS wraps. @throws S3Error ServiceUnavailable */
async function seal(
  o: { readonly tenant: string; readonly roots: RootKeys } & Sealing,
  signal: AbortSignal,
): Promise<KmsSlot> {
  const { tenant, roots, id, label, factor } = o;
  const salt = randomSalt();
  const slotSecret = randomBytes(32);
  try {
    const kms = await factor.secrets.seal(slotSecret, factor.key, { purpose: 'kms', tenant, slot: id }, signal);
    const of = { slotSecret, tenant, slot: id };
    const commitment = commitmentOf(of, salt);
    const sealed = { commitment, created: timestamp(o.now), id, salt: salt.toString('base64'), type: 'kms' } as const;
    return { ...sealed, kms, label, wraps: wrapRoots({ ...of, record: sealed, roots }) };
  } finally {
    slotSecret.fill(0);
  }
}

async function open(
  o: { readonly tenant: string; readonly slot: KmsSlot } & Opening,
  signal: AbortSignal,
): Promise<OpenedSlot> {
  const { tenant, slot } = o;
  const opened = await openKmsPart(o, signal);
  if (opened === 'mismatch') return { failure: 'damaged' };
  const { salt, commitment, wraps } = slot;
  const slotSecret = opened.secret;
  try {
    const found = unwrapRoots({ slotSecret, tenant, slot: slot.id, salt, commitment, record: record(slot), wraps });
    return 'roots' in found ? { ...found, until: opened.until } : found;
  } finally {
    slotSecret.fill(0);
  }
}

/** The KMS is asked and nothing else is needed, so such a slot always goes along. */
function reseal({ id, label, kms: { provider, key }, created }: KmsSlot): Reseal<KmsSlot> {
  return ({ tenant, roots, kms }, signal) => {
    const factor = { secrets: kms, key: { provider, key } };
    return seal({ tenant, roots, id, label, factor, now: new Date(created) }, signal);
  };
}

function record({ commitment, created, id, salt, type }: KmsSlot): Pick<KmsSlot, keyof typeof RECORD> {
  return { commitment, created, id, salt, type };
}
