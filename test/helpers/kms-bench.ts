/** A proxy whose tenants' keys need a KMS that a test holds in its hand, with a clock to turn. */
import { unsealAccessKeyId } from '../../proxy/keyring/access-keys/access-key-id.ts';
import type { KeyringDeps } from '../../proxy/keyring/admin/change-keyring.ts';
import { KmsAdmin } from '../../proxy/keyring/admin/kms-admin.ts';
import { TenantAdmin } from '../../proxy/keyring/admin/tenant-admin.ts';
import { processKdfRunner } from '../../proxy/keyring/slots/kdf.ts';
import { type Keyring, parseKeyring } from '../../proxy/keyring/state/document.ts';
import { keyringName } from '../../proxy/keyring/state/records.ts';
import { signKeyring } from '../../proxy/keyring/state/sign-keyring.ts';
import { KmsSecrets } from '../../proxy/kms/kms-secrets.ts';
import type { KmsProvider } from '../../proxy/kms/provider.ts';
import { type BenchOptions, openBench } from './bench.ts';
import { FULL_ACCESS, type TestTenant } from './proxy.ts';
import type { Header } from './raw-client.ts';

const signal = () => AbortSignal.timeout(60_000);

export async function openKmsBench(o: BenchOptions & { provider: KmsProvider; cacheMs?: number; graceMs?: number }) {
  const { provider, cacheMs = 300_000, graceMs = 0, ...rest } = o;
  const clock = { aheadMs: 0 };
  const now = () => new Date(Date.now() + clock.aheadMs);
  const config = { ...rest.config, kms: { providers: [], cacheMs, graceMs } };
  const bench = await openBench({ ...rest, config, now, kmsProviders: [provider] });
  const { state, sealKeys } = bench.proxy;
  // Commands run in a process of their own, which holds no secrets yet.
  const kms = new KmsSecrets({ providers: [provider] });
  const deps: KeyringDeps = { state, sealKeys, record: () => {}, now, runner: processKdfRunner, kms };
  const admin = new KmsAdmin(deps);
  const key = { provider: provider.name, key: provider.key };
  const tenants = new TenantAdmin(deps);
  return {
    bench,
    provider,
    clock,
    deps,
    admin,
    key,
    createTenant: (more: { requireKms?: boolean } = {}) => tenants.create({ grants: FULL_ACCESS, kms: key, ...more }),
    keyOf: ({ accessKeyId }: TestTenant) => unsealAccessKeyId(accessKeyId, sealKeys),
    async keyring({ tenant }: { tenant: string }): Promise<Keyring> {
      return parseKeyring((await state.get(keyringName(tenant), signal()))?.body ?? Buffer.alloc(0));
    },
    /** What whoever holds the seal key writes over a keyring. */
    async overwrite(keyring: Keyring): Promise<void> {
      const { operatorKid: _kid, operatorMac: _mac, ...others } = keyring;
      const body = signKeyring({ ...others, generation: keyring.generation + 1 }, sealKeys.active);
      await state.replace(keyringName(keyring.tenant), body, signal());
    },
    /** Lets the proxy's keyrings expire, and nothing else. */
    expireKeyrings(): void {
      clock.aheadMs += 61_000;
    },
    /** The status of a GET of `name` and the code of its refusal. */
    async get(as: TestTenant & { readonly sessionToken?: string }, name = as.tenant): Promise<string> {
      const headers: Header[] = as.sessionToken === undefined ? [] : [['x-amz-security-token', as.sessionToken]];
      const reply = await bench.send({ method: 'GET', path: `/${bench.bucket}/${name}`, headers }, as);
      return `${reply.status} ${/<Code>(\w+)</.exec(String(reply.body))?.[1] ?? ''}`.trim();
    },
    async put(as: TestTenant, name = as.tenant): Promise<number> {
      return (await bench.send({ method: 'PUT', path: `/${bench.bucket}/${name}`, body: Buffer.from(name) }, as))
        .status;
    },
    async close(): Promise<void> {
      await bench.close();
    },
  };
}
