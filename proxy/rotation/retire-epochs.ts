/**
 * The last step of a deep rotation, one compare-and-swap: the draining epochs are retired, and their root keys leave every
 * slot. That takes no API key but the one that opened the keyring. What the retired epochs wrapped opens never again.
 */
import {
  changeKeyring,
  KeyringConflict,
  type KeyringDeps,
  type OpenedKeyring,
} from '../keyring/admin/change-keyring.ts';
import { type Slot, withEpochs } from '../keyring/slots/slot-types.ts';
import { currentEpoch, type Keyring } from '../keyring/state/document.ts';

/** @returns the epochs that were retired @throws KeyringConflict when another epoch has begun; S3Error */
export async function retireEpochs(
  deps: KeyringDeps,
  opened: OpenedKeyring<Slot>,
  signal: AbortSignal,
): Promise<readonly number[]> {
  const epoch = currentEpoch(opened.keyring);
  const draining = opened.keyring.epochs.filter(({ state }) => state === 'draining').map((older) => older.epoch);
  const { tenant } = opened.keyring;
  const detail = `Epochs ${draining.join(', ')}; epoch ${epoch} is the only one`;
  const roots = new Map([...opened.roots].filter(([number]) => number === epoch));
  await changeKeyring(
    deps,
    { ...opened, roots },
    (keyring) => {
      if (currentEpoch(keyring) !== epoch) throw new KeyringConflict(keyring.tenant);
      return withoutOlder(keyring, epoch);
    },
    { signal, event: { kind: 'epoch-retired', detail, tenant } },
  );
  return draining;
}

function withoutOlder(keyring: Keyring, epoch: number): Keyring {
  return {
    ...keyring,
    epochs: keyring.epochs.map((one) => (one.epoch === epoch ? one : { ...one, state: 'retired' as const })),
    slots: keyring.slots.map((slot) => withEpochs(slot, (one) => one === epoch)),
  };
}
