/**
 * A slot that is to be derived by a stronger KDF is so at its key's next sign-in, since only then the key is at hand
 * (docs/keys.md, key derivation). Nobody waits for it: a request is neither delayed nor failed, and what does not work out is
 * tried again at the next sign-in.
 */
import { KDF_UPGRADE_TIMEOUT_MS } from '../../limits.ts';
import { changeKeyring, KeyringConflict, type KeyringDeps, kmsOf, openKeyring } from '../admin/change-keyring.ts';
import { sameSlot, withReplaced } from '../admin/edit-slots.ts';
import type { Keyring } from '../state/document.ts';
import type { SignIn } from '../tenancy.ts';
import { isStronger } from './kdf.ts';
import { inheritedFactor, sealKeySlot } from './seal-key-slot.ts';

/** Begins the upgrade when the slot asks for one. Resolves when it is done or given up; never rejects. */
export async function upgradeKdf(
  deps: KeyringDeps,
  signIn: SignIn,
  onFailure: (error: unknown) => void,
): Promise<void> {
  const { kdfUpgrade, kdf } = signIn.slot;
  if (kdfUpgrade === null || !isStronger(kdfUpgrade, kdf)) return;
  try {
    await upgrade(deps, signIn, AbortSignal.timeout(KDF_UPGRADE_TIMEOUT_MS));
  } catch (error) {
    // Another replica was quicker: it wrote what was to be written here.
    if (!(error instanceof KeyringConflict)) onFailure(error);
  }
}

async function upgrade(deps: KeyringDeps, { key }: SignIn, signal: AbortSignal): Promise<void> {
  const opened = await openKeyring(deps, key, signal);
  const { slot: old, roots } = opened;
  const { tenant } = opened.keyring;
  const kdf = old.kdfUpgrade;
  if (kdf === null || !isStronger(kdf, old.kdf)) return;
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
