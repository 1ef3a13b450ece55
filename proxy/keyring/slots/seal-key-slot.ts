/**
 * A slot for an API key: of type `api-key`, or of type `api-key+kms` where a key of a KMS is to agree. A key that is made by another
 * key, or in its place, needs the same KMS: nobody gets rid of the KMS by making a further key.
 */
import type { KmsKeyName, KmsSecrets } from '../../kms/kms-secrets.ts';
import type { ApiKey } from './api-key.ts';
import { apiKeyKmsSlot, factorOf } from './api-key-kms-slot.ts';
import { apiKeySlot } from './api-key-slot.ts';
import type { Kdf, KdfRunner } from './kdf.ts';
import type { KmsFactor } from './kms-part.ts';
import type { SlotTerms } from './slot-terms.ts';
import type { RootKeys } from './slot-type.ts';
import type { KeySlot } from './slot-types.ts';

/** @throws RangeError when hkdf-sha256 is asked for a key that was not generated; S3Error ServiceUnavailable, SlowDown */
export function sealKeySlot(
  o: {
    readonly tenant: string;
    readonly roots: RootKeys;
    readonly terms: SlotTerms;
    readonly apiKey: ApiKey;
    readonly kdf: Kdf;
    readonly runner: KdfRunner;
    /** Without one, the API key alone opens the slot. */
    readonly factor: KmsFactor | undefined;
  },
  signal: AbortSignal,
): Promise<KeySlot> {
  const { factor, ...rest } = o;
  return factor === undefined ? apiKeySlot.seal(rest, signal) : apiKeyKmsSlot.seal({ ...rest, factor }, signal);
}

/** The factor of a key. `from`: the key that it replaces, then the key that makes it. `asked`: a key of a KMS that was asked for. */
export function inheritedFactor(
  from: readonly (KeySlot | undefined)[],
  secrets: KmsSecrets,
  asked?: KmsKeyName | undefined,
): KmsFactor | undefined {
  if (asked !== undefined) return { secrets, key: asked };
  const slot = from.find((one) => one?.type === 'api-key+kms');
  return slot && factorOf(slot, secrets);
}
