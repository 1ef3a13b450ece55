/**
 * The root keys of a keyring by the escrow private key (docs/escrow.md). What comes out of the escrow counts only when the
 * keyring's root MAC says that it is the keyring's own.
 */

import { KeyError } from '../admin/key-errors.ts';
import { currentEpoch, type Keyring } from '../state/document.ts';
import { hasRootMac } from '../state/macs.ts';
import type { EscrowPrivateKey } from './escrow-key.ts';
import { escrowSlot } from './escrow-slot.ts';
import type { RootKeys } from './slot-type.ts';
import { slotsOfType } from './slot-types.ts';

/** The tenant has no escrow to this key. The message says why. */
export class NotRecoverable extends KeyError {
  readonly code = 'NOT_RECOVERABLE';
}

/** Of every epoch in use; `undefined`: the escrow was altered, or is not the keyring's own. @throws NotRecoverable */
export async function escrowedRoots(keyring: Keyring, key: EscrowPrivateKey): Promise<RootKeys | undefined> {
  const [slot] = slotsOfType(keyring, 'escrow');
  if (slot === undefined) {
    throw new NotRecoverable(
      'This tenant has no escrow: none was configured when one of its keys was last used. Nobody can open it but its keys.',
    );
  }
  const opened = await escrowSlot.open({ tenant: keyring.tenant, slot, key });
  if ('failure' in opened) {
    if (opened.failure === 'damaged') return undefined;
    throw new NotRecoverable(`This tenant is sealed to another escrow key: ${slot.publicKey}`);
  }
  const root = opened.roots.get(currentEpoch(keyring));
  return root !== undefined && hasRootMac(keyring, root) ? opened.roots : undefined;
}
