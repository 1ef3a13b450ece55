/**
 * Clients that are neither packages of this project nor commonly installed: `bash test/e2e/clients/install.sh` puts them into
 * `.clients`, each in a directory of its own.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Tool } from './client-suite.ts';
import { PROJECT } from './program.ts';
import { runClient } from './run-client.ts';

const DIRECTORY = join(PROJECT, '.clients');

/** `undefined` when it was not installed. */
export function installedClient(...path: readonly string[]): string | undefined {
  const place = join(DIRECTORY, ...path);
  return existsSync(place) ? place : undefined;
}

/** The Python of the environment in which the modules are, if it has this one. */
export async function pythonWith(module: string): Promise<readonly Tool[]> {
  const command = installedClient('python', 'bin', 'python');
  if (command === undefined) return [];
  const script = `import ${module}; from importlib.metadata import version; print(version("${module}"))`;
  const { code, stdout } = await runClient(command, ['-c', script], { directory: '/tmp', timeoutMs: 60_000 });
  return code === 0 ? [{ command, version: stdout.trim() }] : [];
}

/** A program that `go install` built: it may not know its own version, but the file does. `version`: what of the module's to show. */
export async function goProgram(name: string, version: RegExp): Promise<readonly Tool[]> {
  const command = installedClient('bin', name);
  if (command === undefined) return [];
  const { stdout } = await runClient('go', ['version', '-m', command], { directory: '/tmp' });
  const [, module = ''] = /\tmod\t\S+\tv(\S+)/.exec(stdout) ?? [];
  return [{ command, version: version.exec(module)?.[1] ?? 'unknown' }];
}
