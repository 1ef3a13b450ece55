/** The programs that artefacts are run with. One that is missing is named, and what needs it is left out. */
import { spawn } from 'node:child_process';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'vitest';
import { PROJECT } from '../../e2e/support/program.ts';
import { findOnPath } from '../../e2e/support/store-under-test.ts';

export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** The child is killed after that many milliseconds. */
  readonly timeoutMs?: number;
}

/** Runs a program to its end, in the project's folder unless told otherwise. Its exit code is for the caller to judge. */
export function run(command: string, args: readonly string[], o: RunOptions = {}): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: o.cwd ?? PROJECT,
      env: { ...process.env, ...o.env },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: o.timeoutMs ?? 600_000,
      killSignal: 'SIGKILL',
    });
    const printed = { stdout: '', stderr: '' };
    child.stdout.on('data', (data) => (printed.stdout += data));
    child.stderr.on('data', (data) => (printed.stderr += data));
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, ...printed }));
  });
}

/** What a program prints. @throws Error with its last words when it fails */
export async function output(command: string, args: readonly string[], o: RunOptions = {}): Promise<string> {
  const { code, stdout, stderr } = await run(command, args, o);
  if (code === 0) return stdout;
  throw new Error(`${command} ${args.slice(0, 3).join(' ')} ended with ${code}: ${(stderr + stdout).slice(-3_000)}`);
}

/** Looked for on PATH, in Go's folder, and where Debian keeps programs for administrators. */
export function findTool(name: string): string | undefined {
  return findOnPath(name, [join(homedir(), 'go/bin'), '/usr/sbin', '/usr/local/sbin']);
}

/** The program's path. Ends the test as left out when it is not installed. */
export function needTool(context: TestContext, name: string): string {
  const found = findTool(name);
  if (found === undefined) context.skip(`${name} is not installed`);
  return found as string;
}
