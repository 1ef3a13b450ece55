/**
 * Makes a new API key for a tenant that lost its own, with the escrow private key (docs/escrow.md). The root keys out of the escrow
 * are used only when the root MAC of the keyring confirms them.
 */
import { type AccessKey, sealAccessKeyId, unsealAccessKeyId } from '../access-keys/access-key-id.ts';
import { checkGrants, type Grant } from '../grants.ts';
import { generateApiKey, secretAccessKeyOf } from '../slots/api-key.ts';
import { type ApiKeySlot, apiKeySlot } from '../slots/api-key-slot.ts';
import type { EscrowPrivateKey } from '../slots/escrow-key.ts';
import { escrowedRoots } from '../slots/escrowed-roots.ts';
import { DEFAULT_KDFS } from '../slots/kdf.ts';
import { newSlotTerms } from '../slots/slot-terms.ts';
import type { RootKeys } from '../slots/slot-type.ts';
import { checkTerms, type Keyring } from '../state/document.ts';
import { KeyringTampered } from '../state/records.ts';
import { changeKeyring, type KeyringDeps, readKeyring } from './change-keyring.ts';
import { unusedSlotId, withSlot } from './edit-slots.ts';
import type { IssuedKey, KeepKey } from './key-admin.ts';

export interface Recovery {
  /** 24 hex digits. */
  readonly tenant: string;
  readonly key: EscrowPrivateKey;
  readonly grants: readonly Grant[];
  readonly label: string;
  /** As `timestamp` writes it. */
  readonly expires: string | null;
  readonly keep?: KeepKey;
}

/**
 * Adds a slot with a generated API key.
 * @throws NotRecoverable, TooManyKeys; InvalidGrant for the state bucket; UnknownTenant, KeyringTampered, KeyringConflict;
 * KeyringMalformed for terms beyond the bounds; S3Error ServiceUnavailable
 */
export async function recoverTenant(deps: KeyringDeps, o: Recovery, signal: AbortSignal): Promise<Required<IssuedKey>> {
  checkTerms({ grants: o.grants, policy: null, label: o.label });
  checkGrants(o.grants, deps.state.bucket);
  const { tenant, grants, label, expires } = o;
  const stored = await readKeyring(deps, tenant, signal);
  const roots = await rootsOf(deps, stored.keyring, o.key);
  const [apiKey, now] = [generateApiKey(), deps.now()];
  const id = unusedSlotId(stored.keyring);
  const terms = newSlotTerms({ id, now, grants, label, expires, idKid: deps.sealKeys.active.kid });
  const kdf = DEFAULT_KDFS['hkdf-sha256'];
  const slot = await apiKeySlot.seal({ tenant, terms, apiKey, kdf, roots, runner: deps.runner }, signal);
  const accessKeyId = sealAccessKeyId({ sealKeys: deps.sealKeys, tenant, slot: id, apiKey });
  await checkOpens(deps, slot, unsealAccessKeyId(accessKeyId, deps.sealKeys), signal);
  const issued = { tenant, slot: id, accessKeyId, secretAccessKey: secretAccessKeyOf(apiKey) };
  const add = (keyring: Keyring) => withSlot(keyring, slot, now);
  // A keyring that is full is refused before a key is handed out for it.
  add(stored.keyring);
  await o.keep?.(issued);
  const event = { kind: 'tenant-recovered', detail: `Slot ${id}, made with the escrow key`, tenant } as const;
  await changeKeyring(deps, { ...stored, slot, roots }, add, { signal, event });
  return issued;
}

async function rootsOf(deps: KeyringDeps, keyring: Keyring, key: EscrowPrivateKey): Promise<RootKeys> {
  const roots = await escrowedRoots(keyring, key);
  if (roots !== undefined) return roots;
  const detail = "The escrow of the keyring does not open to the keyring's own root keys.";
  await deps.record({ kind: 'keyring-tampered', detail, tenant: keyring.tenant });
  throw new KeyringTampered(detail);
}

/** The key is handed out only after it was seen to open its slot. */
async function checkOpens(deps: KeyringDeps, slot: ApiKeySlot, key: AccessKey, signal: AbortSignal): Promise<void> {
  const opened = await apiKeySlot.open({ tenant: key.tenant, slot, secret: key.secret, runner: deps.runner }, signal);
  if (!('roots' in opened)) throw new Error('A new slot does not open with its key.');
}
