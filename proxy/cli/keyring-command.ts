/**
 * Runs a command that changes keyrings: puts settings, storage and events together, and closes the storage afterwards. The command
 * signs with the seal key that servers sign with, as the state says, unless `followsRecord` is false.
 */
import type { Config } from '../config/config.ts';
import { recordedForCommand } from '../keyring/active-seal-key/recorded.ts';
import { processKdfRunner } from '../keyring/slots/kdf.ts';
import { openKms } from '../kms/open-kms.ts';
import { createLogger } from '../observe/log.ts';
import type { Storage } from '../runtime.ts';
import { audited } from './audited.ts';
import { type CommandDeps, thisOperator } from './command-approval.ts';
import { openCommandStorage } from './command-storage.ts';

export async function openKeyringCommand<T>(
  environment: NodeJS.ProcessEnv,
  work: (deps: CommandDeps, o: { storage: Storage; config: Config }) => Promise<T>,
  o: { readonly followsRecord?: boolean } = {},
): Promise<T> {
  const { storage, config } = await openCommandStorage(environment);
  const kms = openKms(config.kms);
  try {
    if (o.followsRecord !== false) await recordedForCommand({ state: storage.state, sealKeys: config.sealKeys });
    // What the command did is its output; events go to the log only when one was asked for.
    const level = environment['SEALGATE_LOG_LEVEL'] === undefined ? 'error' : config.logLevel;
    const log = createLogger({ level, destination: process.stderr });
    const { state } = storage;
    const { sealKeys } = config;
    const approvals = { named: config.approvals, requester: thisOperator() };
    const parts = { state, sealKeys, now: () => new Date(), runner: processKdfRunner, kms, approvals };
    return await audited({ storage, config, log }, (record) => work({ ...parts, record }, { storage, config }));
  } finally {
    await kms.close();
    await storage.backend.close();
  }
}
