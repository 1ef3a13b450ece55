/**
 * Sealgate from this tree, or from another one, as npm installs it: bundled, or compiled by what older trees had for it. In a
 * checkout Node strips the types itself, which costs memory at the start.
 */
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Children } from './children.ts';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

/** @returns the path of the program, in `directory`. @throws Error when the sources do not compile */
export async function compileInto(directory: string, children: Children, root = ROOT): Promise<string> {
  const place = join(directory, 'node_modules/sealgate');
  mkdirSync(place, { recursive: true });
  const log = join(directory, 'compiler.log');
  const args = buildArguments(root, join(place, 'dist'));
  const child = await children.start({ command: process.execPath, args, log });
  const [code] = child === undefined ? [] : await once(child.process, 'exit');
  if (code !== 0) throw new Error('the sources do not compile: see npm run build');
  for (const part of ['bin', 'package.json']) cpSync(join(root, part), join(place, part), { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(place, 'node_modules'));
  return join(place, 'bin/sealgate.js');
}

function buildArguments(root: string, out: string): string[] {
  const bundle = join(root, 'deploy/bundle.ts');
  if (existsSync(bundle)) return [bundle, out];
  const compiler = join(root, 'node_modules/typescript/bin/tsc');
  return [
    compiler,
    '-p',
    join(root, 'tsconfig.build.json'),
    '--outDir',
    out,
    '--declaration',
    'false',
    '--sourceMap',
    'false',
  ];
}
