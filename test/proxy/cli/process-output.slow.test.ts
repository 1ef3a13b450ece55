// Protects: a key that is printed has left the process before the old one is gone. As the program is run: with its output closed,
// unread, thrown away or in a file.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SealKeys } from '../../../proxy/keyring/access-keys/seal-keys.ts';
import { NODE, PROJECT, runProgram } from '../../e2e/support/program.ts';

let directory: string;
let settings: Record<string, string>;
let tenant: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'sealgate-output-'));
  settings = {
    SEALGATE_BACKEND: `local:${join(directory, 'store')}`,
    SEALGATE_STATE: 'sealgate-state',
    SEALGATE_SEAL_KEYS: SealKeys.generate(),
  };
  const { stdout } = await sealgate('tenant', 'create', '--bucket', '*', '--json');
  await writeFile(join(directory, 'key.json'), stdout);
  ({ tenant } = JSON.parse(stdout));
});
afterAll(() => rm(directory, { recursive: true }));

const sealgate = (...args: readonly string[]) => runProgram(args, { directory, settings });
const generation = async () => JSON.parse((await sealgate('tenant', 'show', tenant, '--json')).stdout).generation;

/** `sealgate key rotate` with that standard output. */
async function rotate(stdout: 'ignore' | 'pipe' | number, ...args: readonly string[]) {
  const program = [join(PROJECT, 'bin/sealgate.js'), 'key', 'rotate', '--credentials', 'key.json', ...args];
  const env = { PATH: process.env['PATH'] ?? '', ...settings };
  const child = spawn(NODE, program, { cwd: directory, env, stdio: ['ignore', stdout, 'pipe'] });
  // The reader goes away before anything is written.
  child.stdout?.destroy();
  let err = '';
  child.stderr?.on('data', (data) => {
    err += data;
  });
  const [code] = await once(child, 'close');
  return { code, err };
}

describe('a key that nobody would get', () => {
  test.each([[[]], [['--json']], [['--deep']]])('is not made: rotate %j', async (args) => {
    const before = await generation();
    expect(await rotate('ignore', ...args)).toEqual({
      code: 1,
      err: expect.stringMatching(/goes nowhere.*name a file/),
    });
    expect(await rotate('pipe', ...args)).toEqual({
      code: 1,
      err: expect.stringMatching(/cannot be written \(EPIPE\)/),
    });
    expect(await generation()).toBe(before);
  });
});

test('a key that is printed into a file takes the old one’s place', async () => {
  const file = openSync(join(directory, 'printed.json'), 'wx');
  expect(await rotate(file, '--json')).toEqual({ code: 0, err: '' });
  closeSync(file);
  const printed = JSON.parse(await readFile(join(directory, 'printed.json'), 'utf8'));
  expect(printed).toMatchObject({ tenant, replacedUntil: null });
  const made = await sealgate('key', 'create', '--credentials', 'printed.json', '--json');
  expect(made.code).toBe(0);
  expect((await sealgate('key', 'create', '--credentials', 'key.json')).stderr).toMatch(/does not exist/);
});
