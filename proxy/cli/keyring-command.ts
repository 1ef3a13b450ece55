/** Runs a command that changes keyrings: puts settings, storage and events together, and closes the storage afterwards. */
import type { Config } from '../config/config.ts';
import type { KeyringDeps } from '../keyring/admin/change-keyring.ts';
import { processKdfRunner } from '../keyring/slots/kdf.ts';
import { createLogger, securityEventsTo } from '../observe/log.ts';
import type { Storage } from '../runtime.ts';
import { openCommandStorage } from './command-storage.ts';

export async function openKeyringCommand<T>(
  environment: NodeJS.ProcessEnv,
  work: (deps: KeyringDeps, o: { storage: Storage; config: Config }) => Promise<T>,
): Promise<T> {
  const { storage, config } = await openCommandStorage(environment);
  try {
    // What the command did is its output; events go to the log only when one was asked for.
    const level = environment['SEALGATE_LOG_LEVEL'] === undefined ? 'error' : config.logLevel;
    const record = securityEventsTo(createLogger({ level, destination: process.stderr }));
    const { state } = storage;
    const deps = { state, sealKeys: config.sealKeys, record, now: () => new Date(), runner: processKdfRunner };
    return await work(deps, { storage, config });
  } finally {
    await storage.backend.close();
  }
}
