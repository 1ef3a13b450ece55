/** `sealgate tenant ...`: the command's settings, storage and output put together. */
import { createInterface } from 'node:readline/promises';
import { TenantAdmin } from '../keyring/admin/tenant-admin.ts';
import { STATE_BUCKET_TIMEOUT_MS } from '../limits.ts';
import type { Storage } from '../runtime.ts';
import { checkState } from '../startup/check-state.ts';
import { StartRefused } from '../startup/finding.ts';
import { parsedFirst } from './command-line.ts';
import { openKeyringCommand } from './keyring-command.ts';
import { PROCESS_OUTPUT } from './process-output.ts';
import { TENANT_SHAPES, TENANT_USAGE, tenantCommand } from './tenant.ts';
import { TENANT_DELETE_USAGE, tenantDelete } from './tenant-delete.ts';
import { RECOVER_USAGE, tenantRecover } from './tenant-recover.ts';

export async function runTenantCommand(args: readonly string[], environment: NodeJS.ProcessEnv): Promise<number> {
  const help = HELP[args[0] ?? ''] ?? { command: 'tenant', usage: TENANT_USAGE };
  return parsedFirst(args, TENANT_SHAPES, { ...PROCESS_OUTPUT, ...help }, () => run(args, environment));
}

const HELP: Readonly<Record<string, { readonly command: string; readonly usage: string }>> = {
  delete: { command: 'tenant delete', usage: TENANT_DELETE_USAGE },
  recover: { command: 'tenant recover', usage: RECOVER_USAGE },
};

async function run(args: readonly string[], environment: NodeJS.ProcessEnv): Promise<number> {
  if (args[0] === 'recover') {
    return openKeyringCommand(environment, (deps) => tenantRecover(args.slice(1), { ...PROCESS_OUTPUT, deps }));
  }
  if (args[0] === 'delete') return runTenantDelete(args.slice(1), environment);
  return openKeyringCommand(environment, async (deps, { storage, config }) => {
    await storage.state.ensureBucket(AbortSignal.timeout(STATE_BUCKET_TIMEOUT_MS));
    if (args[0] === 'create') await requireOwnState(storage, config.state.prefix);
    return tenantCommand(args, {
      ...PROCESS_OUTPUT,
      admin: new TenantAdmin({ ...deps, escrowPublicKey: config.escrowPublicKey }),
    });
  });
}

/** A keyring in a bucket that others use would take that bucket away from clients. @throws StartRefused */
async function requireOwnState(storage: Storage, prefix: string): Promise<void> {
  await checkState(storage, prefix, (finding) => {
    if (finding.level === 'fault') throw new StartRefused(finding);
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
