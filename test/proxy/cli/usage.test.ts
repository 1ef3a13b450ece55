/** Protects: every command explains itself when asked, with no setting at all, and does nothing else. */
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { commandUsage } from '../../../proxy/cli/usage.ts';

const program = resolve('bin/sealgate.js');

const COMMANDS: readonly (readonly [command: string, begins: string | undefined])[] = [
  ['tenant', 'sealgate tenant create'],
  ['tenant create', 'sealgate tenant create'],
  ['tenant delete', 'sealgate tenant delete'],
  ['tenant recover', 'sealgate tenant recover'],
  ['key rotate', 'sealgate key create'],
  ['key rotate --deep', 'sealgate key rotate --deep [KEYS]'],
  ['seal-key', 'sealgate seal-key'],
  ['escrow', 'sealgate escrow keygen'],
  ['gc', 'sealgate gc'],
  ['decrypt', 'sealgate decrypt KEYS'],
  ['serve', undefined],
  ['quickstart', undefined],
];

it.each(COMMANDS)('%s', (command, begins) => {
  const usage = commandUsage([...command.split(' '), '--help']);
  if (begins === undefined) expect(usage).toBeUndefined();
  else expect(usage?.slice('Usage:'.length).trimStart().startsWith(begins)).toBe(true);
});

it.each(['tenant', 'key rotate --deep', 'serve'])('%s --help of the program', async (command) => {
  const directory = await mkdtemp(join(tmpdir(), 'sealgate-usage-'));
  try {
    const args = [program, ...command.split(' '), '--help'];
    const { stdout, stderr } = await promisify(execFile)(process.execPath, args, { cwd: directory, env: {} });
    expect(stdout).toMatch(/^Usage:/);
    expect(stdout).toContain(`sealgate ${commandUsage(command.split(' ')) === undefined ? 'COMMAND' : command}`);
    expect(stderr).toBe('');
    expect(await readdir(directory)).toEqual([]);
  } finally {
    await rm(directory, { recursive: true });
  }
});
