/**
 * Access key ids for slots, of both kinds: a sealed one is only computed; a registered one has its record written before the
 * keyring lists it, so that an id that is handed out always works. A record that no slot lists opens nothing.
 */
import type { AccessKey } from '../access-keys/access-key-id.ts';
import { sealAccessKeyId } from '../access-keys/access-key-id.ts';
import { newRegisteredId, registeredName, sealRegistered } from '../access-keys/registered-id.ts';
import { type ApiKey, isApiKeyLength, MAX_RAW_BYTES } from '../slots/api-key.ts';
import type { OperatorTerms } from '../slots/slot-terms.ts';
import { ChangeUncertain, type KeyringDeps } from './change-keyring.ts';
import { UnsuitableTerms } from './key-errors.ts';

export interface PreparedId {
  readonly accessKeyId: string;
  /** What the slot then says of its id. */
  readonly terms: Pick<OperatorTerms, 'accessKeyId' | 'idKid' | 'registeredIds'>;
  /** Removes what was written, when the keyring was not changed after all. */
  discard(): Promise<void>;
}

/** Makes an access key id under the active seal key. @throws UnsuitableTerms, S3Error ServiceUnavailable */
export async function prepareId(
  deps: KeyringDeps,
  o: { kind: AccessKey['kind']; tenant: string; slot: string; apiKey: ApiKey },
  signal: AbortSignal,
): Promise<PreparedId> {
  const { tenant, slot, apiKey } = o;
  const sealKey = deps.sealKeys.active;
  const idKid = sealKey.kid;
  if (o.kind === 'sealed') {
    if (!isApiKeyLength(apiKey.type, apiKey.bytes.length, MAX_RAW_BYTES)) {
      throw new UnsuitableTerms('An API key of 48 to 60 bytes fits a registered access key id only: say --registered.');
    }
    const accessKeyId = sealAccessKeyId({ sealKeys: deps.sealKeys, tenant, slot, apiKey });
    return { accessKeyId, terms: { accessKeyId: 'sealed', idKid, registeredIds: [] }, discard: async () => undefined };
  }
  const id = newRegisteredId(sealKey);
  const record = sealRegistered({ id, sealKey, tenant, slot, apiKey });
  await deps.state.put(registeredName(id), record, { ifAbsent: true }, signal);
  return {
    accessKeyId: id,
    terms: { accessKeyId: 'registered', idKid, registeredIds: [id] },
    discard: () => forgetIds(deps, [id], signal),
  };
}

/** Removes the records of ids that no slot lists any more. Their slots are what counted. */
export async function forgetIds(deps: KeyringDeps, ids: readonly string[], signal: AbortSignal): Promise<void> {
  for (const id of ids) await deps.state.delete(registeredName(id), signal);
}

/** Runs the keyring change that makes an id valid. When the change fails, the id is removed. */
export async function withId<T>(prepared: PreparedId, change: () => Promise<T>): Promise<T> {
  try {
    return await change();
  } catch (error) {
    // The first failure is reported; a record that is left over opens nothing. A change that may have been written needs its
    // record.
    if (!(error instanceof ChangeUncertain)) await prepared.discard().catch(() => undefined);
    throw error;
  }
}
