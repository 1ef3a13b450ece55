// Protects: the benchmark's command line: credentials never stand in it, and what makes no sense is refused by name.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { parseOptions, UsageError } from './options.ts';
import { commandOf } from './report/machine.ts';

const directory = mkdtempSync(join(tmpdir(), 'sealgate-bench-options-'));
afterAll(() => rmSync(directory, { recursive: true }));

const SECRETS = { BENCH_OTHER_ONE_ACCESS_KEY_ID: 'the id', BENCH_OTHER_ONE_SECRET_ACCESS_KEY: 'the secret' };

describe('targets', () => {
  test('take their credentials from the environment', () => {
    const { targets } = parseOptions(['--target', 'other-one=http://127.0.0.1:9/,pid=12,region=garage'], SECRETS);
    expect(targets).toEqual([
      {
        name: 'other-one',
        url: 'http://127.0.0.1:9',
        credentials: { accessKeyId: 'the id', secretAccessKey: 'the secret' },
        region: 'garage',
        pids: [12],
      },
    ]);
  });

  test('or from a file', () => {
    const file = join(directory, 'credentials.json');
    writeFileSync(file, JSON.stringify({ accessKeyId: 'a', secretAccessKey: 'b', endpoint: 'ignored' }));
    const { targets, backend } = parseOptions(
      [
        '--target',
        `x=http://127.0.0.1:9,credentials=${file}`,
        '--backend',
        `https://127.0.0.1:9000,credentials=${file}`,
      ],
      {},
    );
    expect(targets[0]?.credentials).toEqual({ accessKeyId: 'a', secretAccessKey: 'b' });
    expect(backend).toMatchObject({ url: 'https://127.0.0.1:9000', region: 'us-east-1' });
  });

  test('are refused without', () => {
    expect(() => parseOptions(['--target', 'x=http://127.0.0.1:9'], {})).toThrow(/BENCH_X_ACCESS_KEY_ID/);
  });

  test('appear in the published command by name only', () => {
    const options = parseOptions(
      ['--target', 'other-one=http://10.0.0.9:9', '--out', '/a/path', '--rounds', '2'],
      SECRETS,
    );
    expect(commandOf(options)).toBe('npm run bench -- --rounds 2 --seconds 3 --target other-one=...');
  });
});

test('another checkout is taken by its absolute path, and named in the published command by nothing else', () => {
  const options = parseOptions(['--base', '.'], {});
  expect(options.base).toBe(process.cwd());
  expect(commandOf(options)).toBe('npm run bench -- --rounds 5 --seconds 3 --base ...');
});

test.each([
  ['--rounds', '0'],
  ['--rounds', 'many'],
  ['--seconds', '-1'],
  ['--sink-port', '70000'],
  ['--target', 'no-url'],
  ['--target', 'Upper=http://127.0.0.1:9'],
  ['--set', 'PATH=/tmp'],
  ['--write', 'elsewhere'],
  ['--base', '/nowhere'],
  ['--unknown', 'x'],
])('%s %s is refused', (name, value) => {
  expect(() => parseOptions([name, value], SECRETS)).toThrow(UsageError);
});

test('a quick run is short, and its length can be given', () => {
  expect(parseOptions(['--quick'], {})).toMatchObject({ quick: true, rounds: 2, milliseconds: 400 });
  expect(parseOptions(['--quick', '--rounds', '3', '--seconds', '1.5'], {})).toMatchObject({
    rounds: 3,
    milliseconds: 1500,
  });
  expect(parseOptions(['--set', 'SEALGATE_WORKERS=2', '--only', 'a,b'], {})).toMatchObject({
    settings: { SEALGATE_WORKERS: '2' },
    only: ['a', 'b'],
  });
});
