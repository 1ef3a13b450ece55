/**
 * Protects: the workflows are well-formed, run only actions that are pinned by their commit, ask for no right that they do not need,
 * and call scripts that there are. A release has provenance and bills of materials.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { PROJECT } from '../e2e/support/program.ts';
import { needTool, run } from './support/tools.ts';

const FOLDER = '.github/workflows';
const files = readdirSync(join(PROJECT, FOLDER));
const read = (file: string) => readFileSync(join(PROJECT, FOLDER, file), 'utf8');

test('actionlint finds nothing', async (context) => {
  const { code, stdout, stderr } = await run(
    needTool(context, 'actionlint'),
    files.map((file) => join(FOLDER, file)),
  );
  expect([code, stdout, stderr]).toEqual([0, '', '']);
});

describe.each(files)('%s', (file) => {
  test('pins each action by its commit, and begins without rights', () => {
    const uses = [...read(file).matchAll(/uses: (.+)$/gm)].map(([, one]) => one);
    expect(uses.length).toBeGreaterThan(1);
    for (const one of uses) expect(one).toMatch(/^[\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/);
    expect(parse(read(file)).permissions).toEqual({ contents: 'read' });
  });

  test('calls scripts that there are', () => {
    const { scripts } = JSON.parse(readFileSync(join(PROJECT, 'package.json'), 'utf8'));
    for (const [, name = ''] of read(file).matchAll(/npm run (?:--silent )?([\w:]+)/g))
      expect(Object.keys(scripts)).toContain(name);
  });
});

test('a release has provenance and both bills of materials', () => {
  const { jobs } = parse(read('release.yml'));
  const steps: readonly { run?: string; uses?: string }[] = jobs.package.steps;
  const commands = steps.map(({ run: command = '' }) => command).join('\n');
  // Without ./ npm takes it for a repository on GitHub.
  expect(commands).toMatch(/npm publish \.\/release\/\*\.tgz .*--provenance/);
  expect(commands).toContain('dist/sealgate.cdx.json dist/sealgate.spdx.json');
  expect(jobs.package.permissions['id-token']).toBe('write');
});
