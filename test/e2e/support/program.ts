/**
 * The product as its users run it: `node bin/sealgate.js COMMAND` in a process of its own, in a directory of its own, with
 * no setting but those given. Everything it prints is kept, so that a test can look for secrets in it.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const PROJECT = fileURLToPath(new URL('../../../', import.meta.url));
/** The pinned runtime, whatever `node` the machine has. */
export const NODE = join(PROJECT, 'node_modules/.bin/node');
const PROGRAM = join(PROJECT, 'bin/sealgate.js');

export interface RunningProgram {
  /** `http(s)://127.0.0.1:PORT` of the S3 listener. */
  readonly endpoint: string;
  readonly pid: number;
  /** Everything printed so far, both streams. */
  output(): string;
  /** Sends SIGTERM and waits; gives the exit code. */
  stop(): Promise<number | null>;
  signal(name: NodeJS.Signals): void;
  /** Ends the process at once, as a power cut would. */
  kill(): Promise<void>;
}

export interface ProgramOptions {
  /** Working directory. */
  readonly directory: string;
  readonly settings: Readonly<Record<string, string>>;
}

/** `sealgate serve` on free ports, ready to answer. */
export function startServe(o: ProgramOptions): Promise<RunningProgram> {
  return start('serve', o, /"listen":"([^"]+)".*"msg":"serving"/);
}

/** `sealgate quickstart` on free ports, ready to answer. */
export function startQuickstart(o: ProgramOptions): Promise<RunningProgram> {
  return start('quickstart', o, /serving S3 at https?:\/\/(\S+)/);
}

/** Runs a command of the program to its end. */
export async function runProgram(
  args: readonly string[],
  o: ProgramOptions,
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawnProgram(args, o);
  const printed = { stdout: '', stderr: '' };
  child.stdout?.on('data', (data) => (printed.stdout += data));
  child.stderr?.on('data', (data) => (printed.stderr += data));
  const [code] = await once(child, 'close');
  return { code, ...printed };
}

function spawnProgram(args: readonly string[], o: ProgramOptions): ChildProcess {
  return spawn(NODE, [PROGRAM, ...args], {
    cwd: o.directory,
    env: { PATH: process.env['PATH'] ?? '', HOME: o.directory, ...o.settings },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

/** `ready` finds the address in what the program prints once it serves. */
async function start(command: string, o: ProgramOptions, ready: RegExp): Promise<RunningProgram> {
  // Nobody here watches /readyz, so a stop need not wait for that.
  const own = { SEALGATE_LISTEN: '127.0.0.1:0', SEALGATE_OPS_LISTEN: '127.0.0.1:0', SEALGATE_DRAIN_DELAY: '0' };
  const child = spawnProgram([command], { ...o, settings: { ...own, ...o.settings } });
  const exited = once(child, 'exit');
  const killAtExit = () => child.kill('SIGKILL');
  process.once('exit', killAtExit);
  const forget = () => process.off('exit', killAtExit);
  exited.then(forget, forget);
  let output = '';
  const address = await new Promise<string>((resolve, reject) => {
    const read = (data: Buffer) => {
      output += data.toString('utf8');
      const found = ready.exec(output)?.[1];
      if (found !== undefined) resolve(found);
    };
    child.stdout?.on('data', read);
    child.stderr?.on('data', read);
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`sealgate ${command} exited with ${code}: ${output}`)));
  });
  const scheme = o.settings['SEALGATE_TLS_CERT'] === undefined ? 'http' : 'https';
  return {
    endpoint: `${scheme}://${address}`,
    pid: child.pid ?? 0,
    output: () => output,
    async stop() {
      child.kill('SIGTERM');
      await exited;
      return child.exitCode;
    },
    signal: (name) => void child.kill(name),
    async kill() {
      child.kill('SIGKILL');
      await exited;
    },
  };
}
