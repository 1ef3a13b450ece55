/**
 * Derives a slot by the stronger KDF that was requested for it. Only requests have the key at hand, so the upgrade happens beside
 * a request of the key, once no session of the slot lives any more (docs/keys.md, key derivation). The request is neither delayed
 * nor failed. An upgrade that fails is tried again beside a later request.
 */
import { KDF_UPGRADE_TIMEOUT_MS } from '../../limits.ts';
import { changeKeyring, KeyringConflict, type KeyringDeps, kmsOf, openKeyring } from '../admin/change-keyring.ts';
import { sameSlot, withReplaced } from '../admin/edit-slots.ts';
import type { SignIn } from '../sign-in.ts';
import type { Keyring } from '../state/document.ts';
import { isStronger } from './kdf.ts';
import { isDue, type RequestedKdf, withoutWait } from './requested-kdf.ts';
import { inheritedFactor, sealKeySlot } from './seal-key-slot.ts';
import type { KeySlot } from './slot-types.ts';

/** Begins the upgrade when the slot asks for one that is due. Resolves when it is done or given up; never rejects. */
export async function upgradeKdf(
  deps: KeyringDeps,
  signIn: Pick<SignIn, 'key' | 'slot'>,
  onFailure: (error: unknown) => void,
): Promise<void> {
  if (!isUpgradable(signIn.slot, deps.now())) return;
  try {
    await upgrade(deps, signIn, AbortSignal.timeout(KDF_UPGRADE_TIMEOUT_MS));
  } catch (error) {
    // Another server was quicker: it upgraded the slot, or issued a session that has to be waited for.
    if (!(error instanceof KeyringConflict)) onFailure(error);
  }
}

async function upgrade(deps: KeyringDeps, { key }: Pick<SignIn, 'key'>, signal: AbortSignal): Promise<void> {
  const opened = await openKeyring(deps, key, signal);
  const { slot: old, roots } = opened;
  const { tenant } = opened.keyring;
  if (!isUpgradable(old, deps.now())) return;
  const kdf = withoutWait(old.kdfUpgrade);
  const terms = { ...old, kdfUpgrade: null };
  const factor = inheritedFactor([old], kmsOf(deps));
  const sealing = { tenant, terms, apiKey: key.apiKey, kdf, roots, runner: deps.runner, factor };
  const slot = await sealKeySlot(sealing, signal);
  const replace = (keyring: Keyring) => {
    sameSlot(keyring, old);
    return withReplaced(keyring, slot);
  };
  const event = { kind: 'key-changed', detail: `Slot ${slot.id}: derived by ${kdf.name}`, tenant } as const;
  await changeKeyring(deps, opened, replace, { signal, event });
}

function isUpgradable<S extends Pick<KeySlot, 'kdf' | 'kdfUpgrade'>>(
  slot: S,
  now: Date,
): slot is S & { readonly kdfUpgrade: RequestedKdf } {
  const { kdf, kdfUpgrade } = slot;
  return kdfUpgrade !== null && isStronger(kdfUpgrade, kdf) && isDue(kdfUpgrade, now);
}
