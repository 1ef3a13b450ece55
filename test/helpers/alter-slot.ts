/** The terms of one key changed by the operator's hand, as the command line does, behind a running proxy. */
import { changeKeyring } from '../../proxy/keyring/admin/change-keyring.ts';
import { withTerms } from '../../proxy/keyring/admin/edit-slots.ts';
import { processKdfRunner } from '../../proxy/keyring/slots/kdf.ts';
import type { OperatorTerms } from '../../proxy/keyring/slots/slot-terms.ts';
import type { Keyring } from '../../proxy/keyring/state/document.ts';
import type { TestProxy } from './proxy.ts';

export async function alterSlot(
  proxy: Pick<TestProxy, 'state' | 'sealKeys'>,
  tenant: string,
  slot: string,
  terms: Partial<Pick<OperatorTerms, 'grants' | 'policy' | 'expires' | 'status'>>,
): Promise<void> {
  const { state, sealKeys } = proxy;
  const deps = { state, sealKeys, record: () => {}, now: () => new Date(), runner: processKdfRunner };
  const change = (keyring: Keyring) => withTerms(keyring, slot, terms);
  await changeKeyring(deps, tenant, change, { signal: AbortSignal.timeout(60_000), event: 'announced' });
}
