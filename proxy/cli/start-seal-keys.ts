/** Finds out which seal key signs when a server starts, and follows it while the server runs. */
import { hostname } from 'node:os';
import type { ServerAudit } from '../audit/open-audit.ts';
import type { Config } from '../config/config.ts';
import { openActiveSealKey, type StartedSealKey } from '../keyring/active-seal-key/open-active.ts';
import { SealKeyUpkeep } from '../keyring/active-seal-key/seal-key-upkeep.ts';
import { type Logger, securityEventsTo } from '../observe/log.ts';
import { orderWorkers } from '../running/worker-orders.ts';
import { SEAL_KEY_TIMEOUT_MS } from '../running-limits.ts';
import type { Storage } from '../runtime.ts';

/** Makes the seal key that signs the active one of the configuration. Where none was recorded, the log says which one is now. */
export async function openSealKey({ sealKeys }: Config, { state }: Storage, log: Logger): Promise<StartedSealKey> {
  const signal = AbortSignal.timeout(SEAL_KEY_TIMEOUT_MS);
  const started = await openActiveSealKey({ state, sealKeys, now: () => new Date() }, signal);
  if (started.isNew) {
    const [first, ...others] = sealKeys.all.map(({ kid }) => kid);
    const level = others.length > 0 ? 'warn' : 'info';
    log[level]({ sealKey: first, others }, 'no active seal key was recorded: the first one is from now on');
  }
  return started;
}

/** Follows the active seal key, for the workers too, and reports on this server. */
export async function startSealKeyUpkeep(
  { sealKeys }: Config,
  o: {
    readonly storage: Storage;
    readonly audit: ServerAudit | undefined;
    readonly started: StartedSealKey;
    readonly log: Logger;
  },
): Promise<SealKeyUpkeep> {
  const { storage, audit, started, log } = o;
  const toLog = securityEventsTo(log);
  const upkeep = new SealKeyUpkeep({
    state: storage.state,
    sealKeys,
    started,
    host: hostname(),
    log,
    async record(event) {
      toLog(event);
      await audit?.log.record(event);
    },
    now: () => new Date(),
    onActivate: (sealKey) => orderWorkers({ sealKey }),
  });
  await upkeep.start();
  return upkeep;
}
