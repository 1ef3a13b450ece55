/**
 * Protects: every command explains itself when asked, with no setting at all, and does nothing else; what no command takes is
 * refused with exit code 2 and the nearest name, before anything is started.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, describe, expect, it, vi } from 'vitest';
import packageJson from '../../../package.json' with { type: 'json' };
import { COMMANDS, findCommand } from '../../../proxy/cli/commands.ts';
import { main } from '../../../proxy/main.ts';

const program = resolve('bin/sealgate.js');

/** Runs the program's own entry in this process. */
async function run(...args: readonly string[]) {
  const printed: Record<'out' | 'err', string[]> = { out: [], err: [] };
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => printed.out.push(String(text)) > 0);
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => printed.err.push(String(text)) > 0);
  try {
    const code = await main(args);
    return { code, out: printed.out.join(''), err: printed.err.join('') };
  } finally {
    vi.restoreAllMocks();
  }
}

afterEach(() => vi.unstubAllEnvs());

describe('help', () => {
  it.each(COMMANDS.map(({ words, usage }) => [words.join(' '), usage] as const))('%s', async (command, usage) => {
    const words = command.split(' ');
    expect(usage).toMatch(/^Usage:\s+sealgate /);
    expect(usage.split('\n').every((line) => line.length <= 130)).toBe(true);
    expect(await run(...words, '--help')).toEqual({ code: 0, out: usage, err: '' });
    expect(await run(...words, '-h')).toEqual({ code: 0, out: usage, err: '' });
    expect(await run('help', ...words)).toEqual({ code: 0, out: usage, err: '' });
  });

  it('every subcommand has the help of its group', async () => {
    for (const [command, group] of Object.entries({
      'tenant create': 'tenant',
      'key revoke': 'key',
      'seal-key resign': 'seal-key',
    })) {
      expect(findCommand(command.split(' '))?.words).toEqual([group]);
    }
  });

  it('says every exit code', () => {
    const silent = COMMANDS.filter(({ usage }) => !/Exit codes?: 0 /.test(usage)).map(({ words }) => words.join(' '));
    expect(silent).toEqual([]);
  });

  it('of the program has every command', async () => {
    const { code, out } = await run('help');
    expect(code).toBe(0);
    for (const { words } of COMMANDS) expect(out).toMatch(new RegExp(`^ {2}${words.join(' ')} `, 'm'));
    expect(await run('--help')).toEqual({ code, out, err: '' });
    expect(await run()).toEqual({ code: 2, out: '', err: out });
  });

  it.each(['tenant', 'serve'])(
    '%s --help of the program itself needs no setting and leaves nothing',
    async (command) => {
      const directory = await mkdtemp(join(tmpdir(), 'sealgate-usage-'));
      try {
        const args = [program, command, '--help'];
        const { stdout, stderr } = await promisify(execFile)(process.execPath, args, { cwd: directory, env: {} });
        expect([stdout, stderr]).toEqual([findCommand([command])?.usage, '']);
        expect(await readdir(directory)).toEqual([]);
      } finally {
        await rm(directory, { recursive: true });
      }
    },
  );
});

it('--version and version say the versions of the package and of Node.js', async () => {
  const out = `sealgate ${packageJson.version} (Node.js ${process.versions.node})\n`;
  expect(await run('--version')).toEqual({ code: 0, out, err: '' });
  expect(await run('version')).toEqual({ code: 0, out, err: '' });
  expect(await run('version', 'x')).toMatchObject({ code: 2, out: '' });
});

describe('what no command takes', () => {
  it.each([
    ['serv', "no command 'serv'. Did you mean 'serve'?"],
    ['help serv', "no command 'serv'. Did you mean 'serve'?"],
    ['zzzzzzzz', 'There is: quickstart, serve, check, tenant'],
    ['serve --port 9999 --check', "Unknown option '--port'."],
    ['serve 9999', "Unexpected argument '9999'."],
    ['quickstart --json', "Unknown option '--json'."],
    ['check --jsn', "Unknown option '--jsn'. Did you mean '--json'?"],
    ['check json', "Unexpected argument 'json'. Did you mean '--json'?"],
    ['gc --dryrun', "Unknown option '--dryrun'. Did you mean '--dry-run'?"],
    ['gc 7', "Unexpected argument '7'."],
    ['gc --abandoned-after x', '--abandoned-after is a number of days.'],
    ['decrypt --bukcet b', "Unknown option '--bukcet'. Did you mean '--bucket'?"],
    ['escrow keygn', "Unknown command 'keygn'. Did you mean 'keygen'?"],
    ['escrow keygen --ot f', "Unknown option '--ot'. Did you mean '--out'?"],
    ['key rotate --deep --dry-rum', "Unknown option '--dry-rum'. Did you mean '--dry-run'?"],
    ['tenant delete --forse', "Unknown option '--forse'."],
    ['tenant recover --escrowkey f', "Unknown option '--escrowkey'. Did you mean '--escrow-key'?"],
    ['tenant lst', "Unknown command 'lst'. Did you mean 'list'?"],
    ['tenant list --jsn', "Unknown option '--jsn'. Did you mean '--json'?"],
    ['key creat', "Unknown command 'creat'. Did you mean 'create'?"],
    ['key list --all', "Unknown option '--all'."],
    ['verify --bukcet b', "Unknown option '--bukcet'. Did you mean '--bucket'?"],
    ['verify --bucket b --sample 8/7', '--sample is such as 1/7'],
    ['verify', '--bucket is missing.'],
    ['migrate encypt', "Unknown command 'encypt'. Did you mean 'encrypt'?"],
    ['migrate decrypt --bucket b --purge-plaintext-versions', '--purge-plaintext-versions is for encrypt.'],
    ['migrate encrypt --bucket b --rate fast', '--rate is bytes a second'],
    ['seal-key stats', "Unknown command 'stats'. Did you mean 'status'?"],
  ])('sealgate %s', async (line, message) => {
    // No settings: what comes first is what is complained of.
    const { code, out, err } = await run(...line.split(' '));
    expect([code, out]).toEqual([2, '']);
    expect(err).toContain(message);
  });
});
