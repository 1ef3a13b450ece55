/**
 * Escrow for the tenants that are there already (docs/escrow.md): when a key opens a keyring that is not sealed to the
 * configured public key, the root keys at hand are sealed to it in the background. Nobody waits for it, and a failure leaves
 * the keyring as it is until a later sign-in. One keyring at a time per process: after a start many tenants come at once.
 */
import type { KeyObject } from 'node:crypto';
import { ESCROW_TIMEOUT_MS } from '../../limits.ts';
import { changeKeyring, type KeyringDeps, readKeyring } from '../admin/change-keyring.ts';
import { unusedSlotId, withEscrowSlot } from '../admin/edit-slots.ts';
import type { SignIn } from '../sign-in.ts';
import { currentEpoch, type Keyring } from '../state/document.ts';
import { hasRootMac } from '../state/macs.ts';
import { type EscrowSlot, escrowSlot } from './escrow-slot.ts';
import type { RootKeys } from './slot-type.ts';
import { keySlotOf, slotsOfType } from './slot-types.ts';

export class EscrowUpkeep {
  readonly #deps: KeyringDeps;
  readonly #publicKey: Buffer;
  readonly #waiting = new Set<string>();
  #queue: Promise<void> = Promise.resolve();

  /** `publicKey`: 32 bytes that `parseEscrowPublicKey` accepted. */
  constructor(deps: KeyringDeps, publicKey: Buffer) {
    this.#deps = deps;
    this.#publicKey = publicKey;
  }

  /** Returns at once. */
  signedIn({ keyring, slot, roots }: SignIn): void {
    const { tenant } = keyring;
    // An escrow would be a way in without the KMS.
    if (keyring.requireKms !== undefined) return;
    if (isEscrowedTo(keyring, this.#publicKey) || this.#waiting.has(tenant)) return;
    this.#waiting.add(tenant);
    this.#queue = this.#queue.then(async () => {
      try {
        await this.#seal(tenant, slot.id, roots);
      } catch (error) {
        await this.#reportFailure(tenant, error);
      } finally {
        this.#waiting.delete(tenant);
      }
    });
  }

  /** An event that is not taken must not end the queue: the next sign-in tries again, and reports again. */
  async #reportFailure(tenant: string, error: unknown): Promise<void> {
    const name = error instanceof Error ? error.name : 'unknown';
    const detail = `The escrow could not be added, and will be tried again: ${name}`;
    try {
      await this.#deps.record({ kind: 'escrow-failed', detail, tenant });
    } catch {
      // Said above.
    }
  }

  /** Resolves when everything begun so far is done. */
  idle(): Promise<void> {
    return this.#queue;
  }

  async #seal(tenant: string, slotId: string, roots: RootKeys): Promise<void> {
    const signal = AbortSignal.timeout(ESCROW_TIMEOUT_MS);
    const stored = await readKeyring(this.#deps, tenant, signal);
    const slot = keySlotOf(stored.keyring, slotId);
    const root = roots.get(currentEpoch(stored.keyring));
    // Changed since it was opened, by a rotation or a revocation: the next sign-in has what it takes.
    if (slot === undefined || root === undefined || !hasRootMac(stored.keyring, root)) return;
    const detail = `The root keys in use, sealed to escrow key ${this.#publicKey.toString('base64')}`;
    await changeKeyring(
      this.#deps,
      { ...stored, slot, roots },
      async (keyring) => {
        const isWanted = keyring.requireKms === undefined && !isEscrowedTo(keyring, this.#publicKey);
        return isWanted
          ? withEscrowSlot(keyring, await escrowOf(keyring, this.#publicKey, roots, this.#deps.now()))
          : undefined;
      },
      { signal, event: { kind: 'escrow-sealed', detail, tenant } },
    );
  }
}

function isEscrowedTo(keyring: Keyring, publicKey: Buffer): boolean {
  return slotsOfType(keyring, 'escrow').some((slot) => slot.publicKey === publicKey.toString('base64'));
}

/** Of exactly the epochs that the keyring has in use. @throws Error when a root key of one is not at hand */
async function escrowOf(keyring: Keyring, publicKey: Buffer, roots: RootKeys, now: Date): Promise<EscrowSlot> {
  const inUse = new Map<number, KeyObject>();
  for (const { epoch, state } of keyring.epochs) {
    const root = roots.get(epoch);
    if (state === 'retired') continue;
    if (root === undefined) throw new Error('A root key in use is not at hand.');
    inUse.set(epoch, root);
  }
  return escrowSlot.seal({ id: unusedSlotId(keyring), publicKey, tenant: keyring.tenant, roots: inUse, now });
}
