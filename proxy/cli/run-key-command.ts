/** `sealgate key ...`, `sealgate kms ...`, `sealgate role ...` and `sealgate seal-key ...`: the commands put together with the process they run in. */
import { handOver } from '../audit/hand-over.ts';
import { KEY_COMMAND_TIMEOUT_MS } from '../limits.ts';
import { parsedFirst } from './command-line.ts';
import { KEY_SHAPES, KEY_USAGE, keyCommand } from './key.ts';
import { openKeyringCommand } from './keyring-command.ts';
import { KMS_SHAPES, KMS_USAGE, kmsCommand, withTenant } from './kms.ts';
import { PROCESS_OUTPUT } from './process-output.ts';
import { ROLE_SHAPES, ROLE_USAGE, roleCommand } from './role.ts';
import { SEAL_KEY_SHAPES, SEAL_KEY_USAGE, sealKeyCommand } from './seal-key.ts';

export async function runKeyCommand(args: readonly string[], environment: NodeJS.ProcessEnv): Promise<number> {
  const signal = AbortSignal.timeout(KEY_COMMAND_TIMEOUT_MS);
  return parsedFirst(args, KEY_SHAPES, { ...PROCESS_OUTPUT, command: 'key', usage: KEY_USAGE }, () =>
    openKeyringCommand(environment, (deps) =>
      keyCommand(args, { ...PROCESS_OUTPUT, deps, environment, stdin: process.stdin, signal }),
    ),
  );
}

export async function runKmsCommand(args: readonly string[], environment: NodeJS.ProcessEnv): Promise<number> {
  const { signal } = new AbortController();
  return parsedFirst(withTenant(args), KMS_SHAPES, { ...PROCESS_OUTPUT, command: 'kms', usage: KMS_USAGE }, () =>
    openKeyringCommand(environment, (deps) =>
      kmsCommand(args, { ...PROCESS_OUTPUT, deps, environment, stdin: process.stdin, signal }),
    ),
  );
}

export async function runRoleCommand(args: readonly string[], environment: NodeJS.ProcessEnv): Promise<number> {
  const signal = AbortSignal.timeout(KEY_COMMAND_TIMEOUT_MS);
  return parsedFirst(args, ROLE_SHAPES, { ...PROCESS_OUTPUT, command: 'role', usage: ROLE_USAGE }, () =>
    openKeyringCommand(environment, (deps) =>
      roleCommand(args, { ...PROCESS_OUTPUT, deps, environment, stdin: process.stdin, signal }),
    ),
  );
}

export async function runSealKeyCommand(args: readonly string[], environment: NodeJS.ProcessEnv): Promise<number> {
  const { signal } = new AbortController();
  return parsedFirst(args, SEAL_KEY_SHAPES, { ...PROCESS_OUTPUT, command: 'seal-key', usage: SEAL_KEY_USAGE }, () =>
    openKeyringCommand(
      environment,
      (deps, { storage, config }) => {
        const handOverAudit = (within: AbortSignal) => {
          const { region, sealKeys, audit } = config;
          return handOver({ ...storage, region, sealKeys, config: audit }, within);
        };
        return sealKeyCommand(args, { ...PROCESS_OUTPUT, deps, handOverAudit, signal });
      },
      // `status` shows what cannot be followed, and `activate` mends it.
      { followsRecord: false },
    ),
  );
}
