/**
 * A new API key for a tenant whose own are lost, by the escrow private key (docs/escrow.md). The root keys that come out of
 * the escrow count only when the keyring's root MAC says that they are its own.
 */
import { type AccessKey, sealAccessKeyId, unsealAccessKeyId } from './access-key-id.ts';
import type { TenantCredentials } from './admin.ts';
import { generateApiKey, secretAccessKeyOf } from './api-key.ts';
import { changeKeyring, type KeyringDeps, readKeyring } from './change-keyring.ts';
import { checkTerms, currentEpoch, type Keyring, type Slot } from './document.ts';
import { openEscrow } from './escrow.ts';
import type { EscrowPrivateKey } from './escrow-key.ts';
import { type Grant, InvalidGrant } from './grants.ts';
import { newSlotId } from './ids.ts';
import { DEFAULT_KDFS } from './kdf.ts';
import { hasRootMac } from './macs.ts';
import { KeyringTampered } from './records.ts';
import { openSlot, type RootKeys, sealSlot } from './slot.ts';
import { newSlotTerms } from './slot-terms.ts';

/** The escrow does not open with this key. The message says why. */
export class NotRecoverable extends Error {
  readonly code = 'NOT_RECOVERABLE';
  constructor(message: string) {
    super(message);
    this.name = 'NotRecoverable';
  }
}

export interface Recovery {
  /** 24 hex digits. */
  readonly tenant: string;
  readonly key: EscrowPrivateKey;
  readonly grants: readonly Grant[];
  readonly label: string;
  /** As `timestamp` writes it. */
  readonly expires: string | null;
}

/**
 * Adds a slot with a generated API key.
 * @throws NotRecoverable; InvalidGrant for the state bucket; UnknownTenant, KeyringTampered, KeyringConflict; KeyringMalformed for terms beyond the bounds;
 * S3Error ServiceUnavailable
 */
export async function recoverTenant(deps: KeyringDeps, o: Recovery, signal: AbortSignal): Promise<TenantCredentials> {
  checkTerms({ grants: o.grants, label: o.label });
  if (o.grants.some((grant) => grant.bucket === deps.state.bucket)) {
    throw new InvalidGrant('The state bucket cannot be granted.');
  }
  const { tenant, grants, label, expires } = o;
  const stored = await readKeyring(deps, tenant, signal);
  const roots = await rootsOf(deps, stored.keyring, o.key);
  const [apiKey, now] = [generateApiKey(), deps.now()];
  const id = newSlotId(new Set([...stored.keyring.slots, ...stored.keyring.removed].map((slot) => slot.id)));
  const terms = newSlotTerms({ id, now, grants, label, expires, idKid: deps.sealKeys.active.kid });
  const kdf = DEFAULT_KDFS['hkdf-sha256'];
  const slot = await sealSlot({ tenant, terms, apiKey, kdf, roots, runner: deps.runner }, signal);
  const accessKeyId = sealAccessKeyId({ sealKeys: deps.sealKeys, tenant, slot: id, apiKey });
  await checkOpens(deps, slot, unsealAccessKeyId(accessKeyId, deps.sealKeys), signal);
  await changeKeyring(
    deps,
    { ...stored, slot, roots },
    (keyring) => ({ ...keyring, slots: [...keyring.slots, slot].sort((a, b) => (a.id < b.id ? -1 : 1)) }),
    signal,
  );
  deps.emit({ kind: 'tenant-recovered', detail: `Slot ${id} was made with the escrow key`, tenant });
  return { tenant, accessKeyId, secretAccessKey: secretAccessKeyOf(apiKey) };
}

async function rootsOf(deps: KeyringDeps, keyring: Keyring, key: EscrowPrivateKey): Promise<RootKeys> {
  const { escrow, tenant } = keyring;
  if (escrow === null) {
    throw new NotRecoverable(
      'This tenant has no escrow: none was configured when one of its keys was last used. Nobody can open it but its keys.',
    );
  }
  const opened = await openEscrow({ escrow, tenant, key });
  if ('roots' in opened) {
    const root = opened.roots.get(currentEpoch(keyring));
    if (root !== undefined && hasRootMac(keyring, root)) return opened.roots;
  } else if (opened.failure === 'other-key') {
    throw new NotRecoverable(`This tenant is sealed to another escrow key: ${escrow.publicKey}`);
  }
  const detail = "The escrow of the keyring does not open to the keyring's own root keys.";
  deps.emit({ kind: 'keyring-tampered', detail, tenant });
  throw new KeyringTampered(detail);
}

/** The key is handed out only after it was seen to open its slot. */
async function checkOpens(deps: KeyringDeps, slot: Slot, key: AccessKey, signal: AbortSignal): Promise<void> {
  const opened = await openSlot({ tenant: key.tenant, slot, secret: key.secret, runner: deps.runner }, signal);
  if (!('roots' in opened)) throw new Error('A new slot does not open with its key.');
}
