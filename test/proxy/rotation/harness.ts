/** A tenant to rotate: a running proxy, its caller's key as commands see it, and the steps of a deep rotation. */
import { unsealAccessKeyId } from '../../../proxy/keyring/access-keys/access-key-id.ts';
import { type KeyringDeps, type OpenedKeyring, openKeyring } from '../../../proxy/keyring/admin/change-keyring.ts';
import type { IssuedKey } from '../../../proxy/keyring/admin/key-admin.ts';
import { processKdfRunner } from '../../../proxy/keyring/slots/kdf.ts';
import { KEYRING_TTL_SECONDS } from '../../../proxy/limits.ts';
import { type BeginOptions, type BegunEpoch, beginEpoch } from '../../../proxy/rotation/begin-epoch.ts';
import { type DrainOptions, type DrainResult, drain } from '../../../proxy/rotation/drain.ts';
import { type Bench, type BenchOptions, openBench } from '../../helpers/bench.ts';
import type { TestTenant } from '../../helpers/proxy.ts';

const signal = () => AbortSignal.timeout(60_000);

export interface Rotation {
  readonly deps: KeyringDeps;
  open(tenant?: TestTenant): Promise<OpenedKeyring>;
  /** Begins an epoch, and lets the proxy's keyring expire; the caller's key stays unless asked otherwise. */
  begin(o?: Partial<BeginOptions> & { tenant?: TestTenant; others?: readonly TestTenant[] }): Promise<BegunEpoch>;
  /** Lets the proxy's keyring expire: the next request reads it again. */
  expire(): void;
  /** Drains; servers are taken to know the epoch already. */
  drain(opened: OpenedKeyring, o?: Partial<DrainOptions>): Promise<DrainResult>;
}

/** A proxy whose clock a rotation can set forward: past the time for which it believes a keyring. */
export async function openRotationBench(o: BenchOptions = {}): Promise<{ bench: Bench; rotation: Rotation }> {
  const clock = { aheadMs: 0 };
  const bench = await openBench({ ...o, now: () => new Date(Date.now() + clock.aheadMs) });
  const expire = () => {
    clock.aheadMs += 1000 * KEYRING_TTL_SECONDS + 1;
  };
  return { bench, rotation: rotationOf(bench, expire) };
}

export function rotationOf(bench: Bench, onBegun: () => void): Rotation {
  const { state, sealKeys } = bench.proxy;
  const deps: KeyringDeps = { state, sealKeys, record: () => {}, now: () => new Date(), runner: processKdfRunner };
  const keyOf = ({ accessKeyId }: TestTenant) => unsealAccessKeyId(accessKeyId, sealKeys);
  const open = (tenant = bench.tenant) => openKeyring(deps, keyOf(tenant), signal());
  return {
    deps,
    open,
    expire: onBegun,
    async begin(o = {}) {
      const tenant = o.tenant ?? bench.tenant;
      const keys = [tenant, ...(o.others ?? [])].map(keyOf);
      const keep = async (_: IssuedKey) => {};
      const options = { keys, keepKey: true, dropSlots: false, keep, ...o };
      const begun = await beginEpoch(deps, await open(tenant), options, signal());
      onBegun();
      return begun;
    },
    drain(opened, o = {}) {
      const { backend, capabilities } = bench;
      const settled = { settledAfterMs: 0, wait: false, purgeNoncurrent: false };
      return drain(deps, opened, { backend, capabilities, ...settled, ...o }, signal());
    },
  };
}
