/**
 * Checks that are a program in the client's own language: it prints one JSON line for each check, and each line is a test here.
 * How such a program is called is said in clients/checks.py.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { clientEnvironment } from './client-environment.ts';
import { type Check, LeftOut, type StageChoice, type Tool } from './client-suite.ts';
import { runClient } from './run-client.ts';
import type { Stage } from './stage.ts';

const Line = z.object({
  check: z.string(),
  outcome: z.enum(['passed', 'failed', 'left out']),
  note: z.string().nullable(),
});
type Line = z.infer<typeof Line>;

export interface CheckProgram {
  /** Files below clients/ in which `check("NAME"` stands for each check. */
  readonly sources: readonly string[];
  /** Fewer are a sign that they were not found. */
  readonly leastChecks: number;
  /** Before ENDPOINT BUCKET MARKER SCALE STORE. */
  readonly args: readonly string[];
  /** MiB of the largest body. */
  readonly scale: (stage: Stage) => number;
  readonly env?: (stage: Stage) => Readonly<Record<string, string>>;
  /** Before the program starts. */
  readonly prepare?: (stage: Stage) => Promise<void>;
}

/** Where a library is tried that is one of many: TLS matters to signatures and trailers, a real store to sizes and conditions. */
export const LIBRARY_STAGES: readonly StageChoice[] = [
  { store: 'embedded store', transport: 'http' },
  { store: 'embedded store', transport: 'https' },
  { store: 'MinIO', transport: 'http' },
];

export function pathOfProgram(name: string): string {
  return fileURLToPath(new URL(`../clients/${name}`, import.meta.url));
}

export function programChecks(o: CheckProgram): Readonly<Record<string, Check>> {
  const names = o.sources.flatMap((source) =>
    [...readFileSync(pathOfProgram(source), 'utf8').matchAll(/^\s*@?(?:Checks\.)?check\(\s*"([^"]+)"/gm)].map(
      ([, name = '']) => name,
    ),
  );
  if (names.length < o.leastChecks)
    throw new Error(`only ${names.length} checks were found in ${o.sources.join(', ')}`);
  /** One run of the program for each stage, whichever of its checks asks first. */
  const runs = new WeakMap<Stage, Promise<ReadonlyMap<string, Line>>>();
  const checkNamed =
    (name: string): Check =>
    async ({ stage, tool }) => {
      const started = runs.get(stage) ?? run(o, { stage, tool, count: names.length });
      runs.set(stage, started);
      const line = (await started).get(name);
      if (line?.outcome === 'left out') throw new LeftOut(line.note ?? '');
      if (line?.outcome !== 'passed') throw new Error(line?.note ?? 'did not run');
      return line.note ?? undefined;
    };
  return Object.fromEntries(names.map((name) => [name, checkNamed(name)]));
}

/** A Python program whose checks stand in one file. Rust's TLS reads the authority from SSL_CERT_FILE. */
export function pythonChecks(
  source: string,
  o: Pick<CheckProgram, 'leastChecks' | 'scale' | 'prepare'>,
): Readonly<Record<string, Check>> {
  return programChecks({
    ...o,
    sources: [source],
    args: [pathOfProgram(source)],
    env: ({ certificate }): Readonly<Record<string, string>> =>
      certificate === undefined ? {} : { SSL_CERT_FILE: certificate.authority },
  });
}

async function run(
  o: CheckProgram,
  { stage, tool, count }: { stage: Stage; tool: Tool; count: number },
): Promise<ReadonlyMap<string, Line>> {
  await o.prepare?.(stage);
  const args = [...o.args, stage.endpoint, stage.bucket, stage.marker, String(o.scale(stage)), stage.store.name];
  const env = { ...clientEnvironment(stage), ...o.env?.(stage) };
  const { stdout, stderr } = await runClient(tool.command, args, { directory: stage.directory, env });
  const lines = stdout.split('\n').filter((line) => line.startsWith('{"check"'));
  if (lines.length !== count) throw new Error(`${lines.length} of ${count} checks ran: ${stderr}`);
  return new Map(lines.map((line) => Line.parse(JSON.parse(line))).map((line) => [line.check, line]));
}
