/** `sealgate tenant ...`: the command's settings, storage and output put together. */
import { createInterface } from 'node:readline/promises';
import { TenantAdmin } from '../keyring/admin.ts';
import { createLogger, securityEventsTo } from '../log.ts';
import { openCommandStorage } from './command-storage.ts';
import { openKeyringCommand } from './keyring-command.ts';
import { PROCESS_OUTPUT } from './process-output.ts';
import { tenantCommand } from './tenant.ts';
import { tenantDelete } from './tenant-delete.ts';
import { tenantRecover } from './tenant-recover.ts';

export async function runTenantCommand(args: readonly string[], environment: NodeJS.ProcessEnv): Promise<number> {
  if (args[0] === 'recover') {
    return openKeyringCommand(environment, (deps) => tenantRecover(args.slice(1), { ...PROCESS_OUTPUT, deps }));
  }
  if (args[0] === 'delete') return runTenantDelete(args.slice(1), environment);
  const { storage, config } = await openCommandStorage(environment);
  try {
    await storage.state.ensureBucket(AbortSignal.timeout(STATE_TIMEOUT_MS));
    // What the command did is its output; events go to the log only when one was asked for.
    const level = environment['SEALGATE_LOG_LEVEL'] === undefined ? 'error' : config.logLevel;
    const log = createLogger({ level, destination: process.stderr });
    const { sealKeys, escrowPublicKey } = config;
    const admin = new TenantAdmin({ state: storage.state, sealKeys, escrowPublicKey, emit: securityEventsTo(log) });
    return await tenantCommand(args, { ...PROCESS_OUTPUT, admin });
  } finally {
    await storage.backend.close();
  }
}

async function runTenantDelete(args: readonly string[], environment: NodeJS.ProcessEnv): Promise<number> {
  return openKeyringCommand(environment, async (deps, backend) => {
    const ask = process.stdin.isTTY ? askOnTerminal : undefined;
    return tenantDelete(args, { ...PROCESS_OUTPUT, deps, backend, ask, signal: new AbortController().signal });
  });
}

async function askOnTerminal(question: string): Promise<string> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return await terminal.question(question);
  } finally {
    terminal.close();
  }
}

const STATE_TIMEOUT_MS = 10_000;
