/** `sealgate tenant ...`: the command's settings, storage and output put together. */
import { createInterface } from 'node:readline/promises';
import { TenantAdmin } from '../keyring/admin/tenant-admin.ts';
import { STATE_BUCKET_TIMEOUT_MS } from '../limits.ts';
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
  return openKeyringCommand(environment, async (deps, { storage, config: { escrowPublicKey } }) => {
    await storage.state.ensureBucket(AbortSignal.timeout(STATE_BUCKET_TIMEOUT_MS));
    return tenantCommand(args, { ...PROCESS_OUTPUT, admin: new TenantAdmin({ ...deps, escrowPublicKey }) });
  });
}

async function runTenantDelete(args: readonly string[], environment: NodeJS.ProcessEnv): Promise<number> {
  return openKeyringCommand(environment, async (deps, { storage: { backend } }) => {
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
