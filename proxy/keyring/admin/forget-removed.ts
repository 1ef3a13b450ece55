/**
 * Removes from the state what a change took out of a keyring: the records of registered access key ids that no slot lists any more,
 * and the records of last use of slots that are gone. The keyring is what counts, and it is already written. So this function never
 * rejects: the caller must not take a key that was just added for one that was not. `sealgate gc` removes what is left.
 */

import { registeredName } from '../access-keys/registered-id.ts';
import { keySlots } from '../slots/slot-types.ts';
import type { Keyring } from '../state/document.ts';
import type { StateStore } from '../state/state.ts';
import { forgetLastUses } from '../uses/last-used.ts';

/** `before`, `after`: the keyring around a change that was written. */
export async function forgetRemoved(
  state: StateStore,
  o: { readonly before: Keyring; readonly after: Keyring },
  signal: AbortSignal,
): Promise<void> {
  const keptIds = new Set(idsOf(o.after));
  try {
    for (const id of idsOf(o.before)) if (!keptIds.has(id)) await state.delete(registeredName(id), signal);
  } catch {
    // Left to gc.
  }
  const keptSlots = new Set(keySlots(o.after).map(({ id }) => id));
  const gone = keySlots(o.before).flatMap(({ id }) => (keptSlots.has(id) ? [] : [id]));
  await forgetLastUses(state, o.before.tenant, gone, signal);
}

function idsOf(keyring: Keyring): readonly string[] {
  return keySlots(keyring).flatMap(({ registeredIds }) => registeredIds);
}
