/** The terms of one slot changed by the operator's hand, as the command line does, behind a running proxy. */
import { changeKeyring } from '../../proxy/keyring/admin/change-keyring.ts';
import { processKdfRunner } from '../../proxy/keyring/slots/kdf.ts';
import type { Slot } from '../../proxy/keyring/state/document.ts';
import type { TestProxy } from './proxy.ts';

export async function alterSlot(
  proxy: Pick<TestProxy, 'state' | 'sealKeys'>,
  tenant: string,
  slot: string,
  terms: Partial<Pick<Slot, 'grants' | 'expires' | 'status'>>,
): Promise<void> {
  const { state, sealKeys } = proxy;
  const deps = { state, sealKeys, emit: () => {}, now: () => new Date(), runner: processKdfRunner };
  await changeKeyring(
    deps,
    tenant,
    (keyring) => ({ ...keyring, slots: keyring.slots.map((one) => (one.id === slot ? { ...one, ...terms } : one)) }),
    AbortSignal.timeout(60_000),
  );
}
