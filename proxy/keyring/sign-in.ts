/**
 * A key that opened its keyring. What takes the root keys or the key itself can only be done beside a request that brought them:
 * an escrow that is missing (escrow-upkeep.ts), and a stronger KDF that was requested (upgrade-kdf.ts).
 */
import { KDF_UPGRADE_RETRY_MS } from '../limits.ts';
import type { AccessKey } from './access-keys/access-key-id.ts';
import { isDue } from './slots/requested-kdf.ts';
import type { RootKeys } from './slots/slot-type.ts';
import type { KeySlot } from './slots/slot-types.ts';
import type { Keyring } from './state/document.ts';

export interface SignIn {
  readonly key: AccessKey;
  readonly keyring: Keyring;
  readonly slot: KeySlot;
  /** Of every epoch in use; the keyring's root MAC was verified. */
  readonly roots: RootKeys;
}

/**
 * Tells when a slot may be sealed by the KDF that was requested. A keyring may stay as it is for as long as the request waits for
 * sessions, so every use of a key is looked at, and not the first one alone.
 */
export class DueKdfs {
  readonly #now: () => Date;
  readonly #onDue: (signIn: SignIn) => void;
  /** Milliseconds, by the slot as it was read. */
  readonly #toldAt = new WeakMap<KeySlot, number>();

  constructor(o: { now: () => Date; onDue: (signIn: SignIn) => void }) {
    this.#now = o.now;
    this.#onDue = o.onDue;
  }

  /** At every use of a key. Says so again after a while: an upgrade may have failed. */
  note(signIn: SignIn): void {
    const { slot } = signIn;
    if (slot.kdfUpgrade === null || !isDue(slot.kdfUpgrade, this.#now())) return;
    const now = this.#now().getTime();
    if (now - (this.#toldAt.get(slot) ?? Number.NEGATIVE_INFINITY) < KDF_UPGRADE_RETRY_MS) return;
    this.#toldAt.set(slot, now);
    this.#onDue(signIn);
  }
}
