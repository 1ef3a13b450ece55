/** The files of the repository as they are, in another place, as a fresh checkout with its packages installed. */
import { execFileSync } from 'node:child_process';
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { PROJECT } from '../../e2e/support/program.ts';

export function copyTree(to: string): void {
  const listed = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: PROJECT,
  });
  for (const file of String(listed).split('\0')) {
    if (file !== '') cpSync(join(PROJECT, file), join(to, file));
  }
  // Hard links: they take no room, and resolve to themselves.
  execFileSync('cp', ['-al', join(PROJECT, 'node_modules'), join(to, 'node_modules')]);
}
