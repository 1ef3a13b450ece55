/**
 * What a KMS adds to a slot (crypto/FORMAT.md, "Keyring and access key ids", secrets under a KMS key): a member `kms` that names
 * provider, key and version beside the wrapped secret. The member is one of the operator's terms, so that a secret can be wrapped
 * again without any key of the tenant. It opens nothing else: the slot's commitment is to the secret itself.
 */
import { z } from 'zod';
import { deriveKey, frame } from '../../../crypto/keys.ts';
import { type KmsKeyName, type KmsSecrets, type KmsWrap, NO_KMS, type OpenedSecret } from '../../kms/kms-secrets.ts';
import { KmsFailure, type KmsOwner } from '../../kms/provider.ts';
import { MAX_KMS_BLOB_BYTES, MAX_KMS_KEY_CHARACTERS } from '../../kms-limits.ts';
import { isPlainText } from '../state/canonical-json.ts';
import { time } from '../state/fields.ts';

const LABEL = 'sealgate/1/slot-secret-kms';

const blob = z.string().refine((text) => {
  const bytes = Buffer.from(text, 'base64');
  return bytes.length >= 1 && bytes.length <= MAX_KMS_BLOB_BYTES && bytes.toString('base64') === text;
});

export const kmsPartSchema = z.strictObject({
  blob,
  key: z.string().min(1).max(MAX_KMS_KEY_CHARACTERS).refine(isPlainText),
  /** A name of SEALGATE_KMS, and never an address. */
  provider: z.string().regex(/^[a-z][a-z0-9-]{0,15}:[a-z0-9-]{1,32}$/),
  version: z.string().max(64).refine(isPlainText),
  wrapped: time,
});

/** The key that a new secret is wrapped under, and what wraps it. */
export interface KmsFactor {
  readonly secrets: KmsSecrets;
  readonly key: KmsKeyName;
}

/** Members that each slot with a KMS has. */
export interface SlotWithKms {
  readonly type: KmsOwner['purpose'];
  readonly id: string;
  readonly kms: KmsWrap;
}

/** `mismatch`: the secret is wrapped for another slot or tenant, or was altered. @throws S3Error ServiceUnavailable */
export async function openKmsPart(
  o: { readonly tenant: string; readonly slot: SlotWithKms; readonly kms: KmsSecrets | undefined },
  signal: AbortSignal,
): Promise<OpenedSecret | 'mismatch'> {
  const { tenant, slot } = o;
  try {
    return await (o.kms ?? NO_KMS).open(slot.kms, { purpose: slot.type, tenant, slot: slot.id }, signal);
  } catch (error) {
    if (error instanceof KmsFailure && error.kind === 'mismatch') return 'mismatch';
    throw error;
  }
}

/** The slot secret of an API key with a KMS. `callers`: what the API key alone gives; `added`: what the KMS adds. */
export function combinedSecret(o: {
  readonly callers: Buffer;
  readonly added: Buffer;
  readonly salt: Buffer;
  readonly tenant: string;
  readonly slot: string;
}): Buffer {
  const both = frame(o.callers, o.added);
  try {
    const context = [Buffer.from(o.tenant, 'hex'), Buffer.from(o.slot, 'hex')];
    return deriveKey(both, { label: LABEL, salt: o.salt, context });
  } finally {
    both.fill(0);
  }
}
