/** Where and how a run was made: without it no figure can be compared with another. */
import { execFileSync } from 'node:child_process';
import { cpus, release, totalmem, type } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { Options } from '../options.ts';

export interface Machine {
  readonly processor: string;
  readonly cores: number;
  /** GiB. */
  readonly memory: number;
  readonly kernel: string;
  readonly node: string;
  readonly openssl: string;
  readonly nginx: string;
  readonly commit: string;
  readonly date: string;
  readonly command: string;
}

export function describeMachine(options: Options): Machine {
  return {
    processor: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memory: Math.round(totalmem() / 1024 ** 3),
    kernel: `${type()} ${release()}`,
    node: process.version,
    openssl: process.versions.openssl,
    nginx: nginxVersion(),
    commit: commit(),
    date: new Date().toISOString().slice(0, 10),
    command: commandOf(options),
  };
}

function output(command: string, args: readonly string[]): string {
  const cwd = fileURLToPath(new URL('.', import.meta.url));
  return execFileSync(command, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
}

/** With a mark when the program's own files were changed since. */
function commit(): string {
  try {
    const root = output('git', ['rev-parse', '--show-toplevel']);
    const changed = output('git', ['-C', root, 'status', '--porcelain', '--', 'proxy', 'crypto', 'sigv4', 'bin']);
    return `${output('git', ['rev-parse', '--short', 'HEAD'])}${changed === '' ? '' : ' and changes'}`;
  } catch {
    return 'unknown';
  }
}

/** nginx prints its version to the error output. */
function nginxVersion(): string {
  for (const program of ['nginx', '/usr/sbin/nginx']) {
    try {
      return output('/bin/sh', ['-c', `${program} -v 2>&1`]).replace(/^nginx version: nginx\//, '');
    } catch {
      // Not under this name.
    }
  }
  return 'none';
}

/** Without paths and addresses, which are those of this machine. */
export function commandOf(options: Options): string {
  const settings = Object.entries(options.settings).map(([name, value]) => `--set ${name}=${value}`);
  return [
    'npm run bench --',
    ...(options.quick ? ['--quick'] : []),
    ...(options.only.length === 0 ? [] : [`--only ${options.only.join(',')}`]),
    `--rounds ${options.rounds} --seconds ${options.milliseconds / 1000}`,
    ...settings,
    ...(options.base === undefined ? [] : ['--base ...']),
    ...options.targets.map(({ name }) => `--target ${name}=...`),
    ...(options.backend === undefined ? [] : ['--backend ...']),
  ].join(' ');
}
