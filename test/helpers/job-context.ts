/** The store as a job uses it, opened with the key of a bench's tenant. */
import { unsealAccessKeyId } from '../../proxy/keyring/access-keys/access-key-id.ts';
import { type KeyringDeps, openKeyring } from '../../proxy/keyring/admin/change-keyring.ts';
import { openTenantOf } from '../../proxy/keyring/open-tenant.ts';
import { processKdfRunner } from '../../proxy/keyring/slots/kdf.ts';
import { objectStore, type StoreContext, storeContext } from '../../proxy/object/context.ts';
import type { Bench } from './bench.ts';
import type { TestTenant } from './proxy.ts';

export async function openJobContext(bench: Bench, who: TestTenant = bench.tenant): Promise<StoreContext> {
  const { state, sealKeys } = bench.proxy;
  const signal = AbortSignal.timeout(600_000);
  const now = () => new Date();
  const deps: KeyringDeps = { state, sealKeys, record: () => {}, now, runner: processKdfRunner };
  const tenant = openTenantOf(await openKeyring(deps, unsealAccessKeyId(who.accessKeyId, sealKeys), signal));
  const { backend, capabilities } = bench;
  const legacy = { kind: 'allow' } as const;
  const store = objectStore({ backend, capabilities, legacy, bestEffortConditions: false, record: () => {}, now });
  return storeContext(store, { tenant, signal });
}
