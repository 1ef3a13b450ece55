/**
 * Sealgate from this tree, or from another one, as npm installs it: compiled. In a checkout Node strips the types itself, which
 * costs memory at the start.
 */
import { once } from 'node:events';
import { cpSync, mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Children } from './children.ts';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

/** @returns the path of the program, in `directory`. @throws Error when the sources do not compile */
export async function compileInto(directory: string, children: Children, root = ROOT): Promise<string> {
  const place = join(directory, 'node_modules/sealgate');
  mkdirSync(place, { recursive: true });
  const compiler = join(root, 'node_modules/typescript/bin/tsc');
  const output = ['--outDir', join(place, 'dist'), '--declaration', 'false', '--sourceMap', 'false'];
  const log = join(directory, 'compiler.log');
  const args = [compiler, '-p', join(root, 'tsconfig.build.json'), ...output];
  const child = await children.start({ command: process.execPath, args, log });
  const [code] = child === undefined ? [] : await once(child.process, 'exit');
  if (code !== 0) throw new Error('the sources do not compile: see npm run build');
  for (const part of ['bin', 'package.json']) cpSync(join(root, part), join(place, part), { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(place, 'node_modules'));
  return join(place, 'bin/sealgate.js');
}
