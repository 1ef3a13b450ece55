/** A keyring and its root keys as what the rest of the program works with. */

import type { RootKeys } from './slots/slot.ts';
import { currentEpoch, type Keyring, type Slot } from './state/document.ts';
import type { OpenTenant } from './tenancy.ts';

/** `slot`: the one that opened it; without one, as by the escrow key, nothing is granted. The root MAC must have been verified. */
export function openTenantOf(o: {
  readonly keyring: Keyring;
  readonly roots: RootKeys;
  readonly slot?: Slot;
}): OpenTenant {
  const { keyring, roots, slot } = o;
  return {
    id: keyring.tenant,
    idBytes: Buffer.from(keyring.tenant, 'hex'),
    slot: slot?.id ?? '',
    grants: slot?.grants ?? [],
    epoch: currentEpoch(keyring),
    root: (epoch) => roots.get(epoch),
  };
}
