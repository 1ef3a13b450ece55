/** `sealgate key ...` and `sealgate seal-key ...`: the commands put together with the process they run in. */
import { keyCommand } from './key.ts';
import { openKeyringCommand } from './keyring-command.ts';
import { sealKeyCommand } from './seal-key.ts';

export async function runKeyCommand(args: readonly string[], environment: NodeJS.ProcessEnv): Promise<number> {
  const signal = AbortSignal.timeout(KEY_TIMEOUT_MS);
  return openKeyringCommand(environment, (deps) =>
    keyCommand(args, { ...OUTPUT, deps, environment, stdin: process.stdin, signal }),
  );
}

export async function runSealKeyCommand(args: readonly string[], environment: NodeJS.ProcessEnv): Promise<number> {
  const { signal } = new AbortController();
  return openKeyringCommand(environment, (deps) => sealKeyCommand(args, { ...OUTPUT, deps, signal }));
}

const OUTPUT = {
  out: (line: string) => void process.stdout.write(`${line}\n`),
  err: (line: string) => void process.stderr.write(`${line}\n`),
};

const KEY_TIMEOUT_MS = 120_000;
