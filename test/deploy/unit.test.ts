/** Protects: the systemd unit is well-formed, as hardened as docs/operations.md says, and waits as long as a drain takes. */
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { PROJECT } from '../e2e/support/program.ts';
import { needTool, run } from './support/tools.ts';

const UNIT = join(PROJECT, 'deploy/systemd/sealgate.service');

test('systemd-analyze rates it 1.3', async (context) => {
  const analyze = needTool(context, 'systemd-analyze');
  const { code, stdout, stderr } = await run(analyze, ['security', '--offline=true', '--threshold=13', UNIT]);
  expect([code, stderr]).toEqual([0, '']);
  expect(stdout).toMatch(/Overall exposure level for sealgate\.service: 1\.\d OK/);
});

test('systemd-analyze finds nothing to complain about', async (context) => {
  const analyze = needTool(context, 'systemd-analyze');
  const directory = await mkdtemp(join(tmpdir(), 'sealgate-unit-'));
  try {
    // The program is not installed here.
    const copy = readFileSync(UNIT, 'utf8').replaceAll(/\/opt\/sealgate\/\S*node /g, '/bin/true ');
    await writeFile(join(directory, 'sealgate.service'), copy);
    const { code, stderr } = await run(analyze, ['verify', '--man=no', join(directory, 'sealgate.service')]);
    expect([code, stderr.split('\n').filter((line) => line.includes('sealgate.service'))]).toEqual([0, []]);
  } finally {
    await rm(directory, { recursive: true });
  }
});

test('it waits longer than the delay and the limit of a drain', () => {
  const [, seconds] = /^TimeoutStopSec=(\d+)$/m.exec(readFileSync(UNIT, 'utf8')) ?? [];
  expect(Number(seconds)).toBeGreaterThan(5 + 25);
});
