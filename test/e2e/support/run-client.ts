/** Runs a client program to its end, with a private home and none of the developer's settings or credentials. */
import { spawn } from 'node:child_process';

export interface ClientRun {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly directory: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string;
  /** Milliseconds after which it is ended. */
  readonly timeoutMs?: number;
}

export async function runClient(command: string, args: readonly string[], o: RunOptions): Promise<ClientRun> {
  const child = spawn(command, args, {
    cwd: o.directory,
    env: {
      PATH: process.env['PATH'] ?? '',
      HOME: o.directory,
      LANG: 'C.UTF-8',
      ...pyenv(),
      ...o.env,
    },
    stdio: ['pipe', 'pipe', 'pipe'],
    timeout: o.timeoutMs ?? 240_000,
    killSignal: 'SIGKILL',
  });
  const pieces = { stdout: [] as Buffer[], stderr: [] as Buffer[] };
  child.stdout.on('data', (data) => pieces.stdout.push(data));
  child.stderr.on('data', (data) => pieces.stderr.push(data));
  child.stdin.on('error', () => undefined);
  child.stdin.end(o.stdin ?? '');
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (exit) => resolve(exit));
  });
  return { code, stdout: Buffer.concat(pieces.stdout).toString(), stderr: Buffer.concat(pieces.stderr).toString() };
}

/** Launchers of pyenv find their Python through this, and their default is below the developer's home. */
function pyenv(): Record<string, string> {
  const names = ['PYENV_ROOT', 'VIRTUAL_ENV'];
  const given = names.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name] ?? '']]));
  return Object.fromEntries(given);
}

/** First version number that a program prints; `undefined` when it is not installed or does not run. */
export async function versionOf(command: string, args: readonly string[]): Promise<string | undefined> {
  try {
    const { code, stdout, stderr } = await runClient(command, args, { directory: '/tmp', timeoutMs: 30_000 });
    return code === 0 ? /\d+\.\d+(\.\d+)?/.exec(stdout + stderr)?.[0] : undefined;
  } catch {
    return undefined;
  }
}
