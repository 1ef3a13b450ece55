// Protects: shells complete every command, and the options that the help of its group names.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { COMMANDS } from '../../../proxy/cli/commands.ts';
import { completionCommand, completionsOf } from '../../../proxy/cli/completion.ts';

async function script(shell: string): Promise<{ code: number; out: string; err: string }> {
  const out: string[] = [];
  const err: string[] = [];
  const output = { out: (line: string) => void out.push(line), err: (line: string) => void err.push(line) };
  const code = await completionCommand([shell], COMMANDS, output);
  return { code, out: out.join('\n'), err: err.join('\n') };
}

const isInstalled = (shell: string) => spawnSync(shell, ['-c', 'true']).status === 0;

test('every command is there, with its own options', () => {
  const completions = completionsOf(COMMANDS);
  const first = completions.get('') ?? [];
  for (const { words } of COMMANDS) expect(first).toContain(words[0]);
  expect(completions.get('tenant')).toEqual(expect.arrayContaining(['create', 'list', 'show', 'delete', 'recover']));
  expect(completions.get('tenant create')).toEqual(expect.arrayContaining(['--bucket', '--json', '--help']));
  expect(completions.get('seal-key')).toEqual(expect.arrayContaining(['status', 'activate', 'resign']));
  expect(completions.get('check')).toEqual(['--help', '--json']);
});

test('a shell that there is no script for is named, with those that there are', async () => {
  expect(await script('tcsh')).toMatchObject({
    code: 2,
    err: expect.stringContaining('SHELL is one of bash, zsh, fish.'),
  });
});

describe('in the shells themselves', () => {
  const BASH = `COMP_WORDS=(sealgate seal-key st); COMP_CWORD=2; _sealgate; echo "\${COMPREPLY[*]}"
COMP_WORDS=(sealgate check --j); COMP_CWORD=2; _sealgate; echo "\${COMPREPLY[*]}"
COMP_WORDS=(sealgate quick); COMP_CWORD=1; _sealgate; echo "\${COMPREPLY[*]}"
COMP_WORDS=(sealgate tenant create --name x --buck); COMP_CWORD=5; _sealgate; echo "\${COMPREPLY[*]}"`;

  test('bash', async () => {
    const { out } = await script('bash');
    const printed = execFileSync('bash', ['-c', `${out}\n${BASH}`], { encoding: 'utf8' });
    expect(printed.split('\n').slice(0, 4)).toEqual(['status', '--json', 'quickstart', '--bucket']);
  });

  test.skipIf(!isInstalled('fish'))('fish', async () => {
    const { out } = await script('fish');
    const directory = mkdtempSync(join(tmpdir(), 'sealgate-fish-'));
    try {
      writeFileSync(join(directory, 'sealgate.fish'), out);
      const complete = (line: string) =>
        execFileSync(
          'fish',
          ['--no-config', '-c', `source ${directory}/sealgate.fish; complete --do-complete '${line}'`],
          {
            encoding: 'utf8',
            env: { ...process.env, HOME: directory },
          },
        ).trim();
      expect(complete('sealgate seal-key st')).toBe('status');
      expect(complete('sealgate check --j')).toBe('--json');
      expect(complete('sealgate tenant create --name x --buck')).toBe('--bucket');
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  test.skipIf(!isInstalled('zsh'))('zsh', async () => {
    const { out } = await script('zsh');
    // Outside of an editor compadd is a function of ours, which shows what would be offered.
    const harness = `compdef() { :; }; _files() { :; }; compadd() { shift; print -r -- "$@" }
${out}
words=(sealgate seal-key st); CURRENT=3; _sealgate
words=(sealgate check --j); CURRENT=3; _sealgate`;
    const printed = execFileSync('zsh', ['-f', '-c', harness], { encoding: 'utf8' }).split('\n');
    expect(printed[0]?.split(' ')).toEqual(expect.arrayContaining(['status', 'resign']));
    expect(printed[1]).toBe('--help --json');
  });
});
