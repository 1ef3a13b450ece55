/**
 * `sealgate tenant ...` on the same state as the servers, with the same settings. Without any setting it works on the
 * quickstart's data in the current directory, if there are any.
 */
import { parseConfig, readSettings } from '../config.ts';
import { TenantAdmin } from '../keyring/admin.ts';
import { createLogger, securityEventsTo } from '../log.ts';
import { openStorage } from '../runtime.ts';
import { quickstartSettings } from './quickstart.ts';
import { tenantCommand } from './tenant.ts';

export async function runTenantCommand(args: readonly string[], environment: NodeJS.ProcessEnv): Promise<number> {
  const settings = readSettings(environment);
  const config = parseConfig(
    settings['SEALGATE_BACKEND'] === undefined ? { ...quickstartSettings(), ...settings } : settings,
  );
  const storage = await openStorage(config);
  try {
    await storage.state.ensureBucket(AbortSignal.timeout(10_000));
    const log = createLogger({ level: 'warn', destination: process.stderr });
    const admin = new TenantAdmin({ state: storage.state, sealKeys: config.sealKeys, emit: securityEventsTo(log) });
    const out = (line: string) => process.stdout.write(`${line}\n`);
    const err = (line: string) => process.stderr.write(`${line}\n`);
    return await tenantCommand(args, { admin, out: (line) => void out(line), err: (line) => void err(line) });
  } finally {
    await storage.backend.close();
  }
}
