/** `sealgate key ...` and `sealgate seal-key ...`: the commands put together with the process they run in. */
import { KEY_COMMAND_TIMEOUT_MS } from '../limits.ts';
import { keyCommand } from './key.ts';
import { openKeyringCommand } from './keyring-command.ts';
import { PROCESS_OUTPUT } from './process-output.ts';
import { sealKeyCommand } from './seal-key.ts';

export async function runKeyCommand(args: readonly string[], environment: NodeJS.ProcessEnv): Promise<number> {
  const signal = AbortSignal.timeout(KEY_COMMAND_TIMEOUT_MS);
  return openKeyringCommand(environment, (deps) =>
    keyCommand(args, { ...PROCESS_OUTPUT, deps, environment, stdin: process.stdin, signal }),
  );
}

export async function runSealKeyCommand(args: readonly string[], environment: NodeJS.ProcessEnv): Promise<number> {
  const { signal } = new AbortController();
  return openKeyringCommand(environment, (deps) => sealKeyCommand(args, { ...PROCESS_OUTPUT, deps, signal }));
}
