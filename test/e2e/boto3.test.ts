/**
 * Protects: boto3 works unchanged, in every installed version: the SDK below most Python programs, and strict about ETags,
 * checksums and lengths. The checks are a Python program (clients/boto3_checks.py); each of its lines is a test here.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { clientEnvironment } from './support/client-environment.ts';
import { type Check, clientSuite, EVERY_STAGE, LeftOut, type Tool } from './support/client-suite.ts';
import { runClient, versionOf } from './support/run-client.ts';
import type { Stage } from './support/stage.ts';

const SCRIPT = fileURLToPath(new URL('clients/boto3_checks.py', import.meta.url));
const NAMES = [...readFileSync(SCRIPT, 'utf8').matchAll(/^@check\("([^"]+)"\)/gm)].map(([, name = '']) => name);

const Line = z.object({
  check: z.string(),
  outcome: z.enum(['passed', 'failed', 'left out']),
  note: z.string().nullable(),
});
type Line = z.infer<typeof Line>;

async function installed(): Promise<readonly Tool[]> {
  const found: Tool[] = [];
  for (const command of ['python3', '/usr/bin/python3']) {
    const version = await versionOf(command, ['-c', 'import boto3; print(boto3.__version__)']);
    if (version !== undefined && found.every((tool) => tool.version !== version)) found.push({ command, version });
  }
  return found;
}

/** One run of the program for each stage, whichever of its checks asks first. */
const runs = new WeakMap<Stage, Promise<ReadonlyMap<string, Line>>>();

async function run(stage: Stage, tool: Tool): Promise<ReadonlyMap<string, Line>> {
  const scale = stage.store.name === 'moto' ? '13' : '64';
  const args = [SCRIPT, stage.endpoint, stage.bucket, stage.marker, scale, stage.store.name];
  const { stdout, stderr } = await runClient(tool.command, args, {
    directory: stage.directory,
    env: clientEnvironment(stage),
  });
  const lines = stdout.split('\n').filter((line) => line !== '');
  if (lines.length !== NAMES.length) throw new Error(`${lines.length} of ${NAMES.length} checks ran: ${stderr}`);
  return new Map(lines.map((line) => Line.parse(JSON.parse(line))).map((line) => [line.check, line]));
}

const checkNamed =
  (name: string): Check =>
  async ({ stage, tool }) => {
    const started = runs.get(stage) ?? run(stage, tool);
    runs.set(stage, started);
    const line = (await started).get(name);
    if (line?.outcome === 'left out') throw new LeftOut(line.note ?? '');
    if (line?.outcome !== 'passed') throw new Error(line?.note ?? 'did not run');
    return line.note ?? undefined;
  };

if (NAMES.length < 15) throw new Error(`only ${NAMES.length} checks were found in the program`);

clientSuite({
  client: 'boto3',
  tools: await installed(),
  stages: EVERY_STAGE,
  checks: Object.fromEntries(NAMES.map((name) => [name, checkNamed(name)])),
});
