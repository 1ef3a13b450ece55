/** `npm run bench`: measures Sealgate beside its backend alone, nginx, and whatever else is named. */
import { writeFileSync } from 'node:fs';
import { openEnvironment } from './environment.ts';
import type { Load } from './loads/load.ts';
import { LOADS, QUICK } from './loads/table.ts';
import { type Options, parseOptions, USAGE, UsageError } from './options.ts';
import { loadLines } from './report/text.ts';
import { type RunResults, runLoads } from './run.ts';

/** Minutes after which a run that hangs ends itself. */
const MOST_MINUTES = 120;
const MOST_QUICK_MINUTES = 10;

async function main(): Promise<number> {
  const options = parseOptions(process.argv.slice(2), process.env);
  if (options.list) {
    process.stdout.write(`${LOADS.map(({ name, title }) => `${name.padEnd(28)} ${title}`).join('\n')}\n`);
    return 0;
  }
  const loads = chosen(options);
  const minutes = options.quick ? MOST_QUICK_MINUTES : MOST_MINUTES;
  setTimeout(() => fail(`the run took more than ${minutes} minutes`), minutes * 60_000).unref();
  const environment = await openEnvironment(options, {
    tls: loads.some(({ transport }) => transport === 'tls'),
    floor: loads.some(({ floor }) => floor !== undefined),
  });
  for (const note of environment.notes) process.stdout.write(`${note}\n`);
  const run = await runLoads(environment, loads, {
    ...options,
    onResults: (load, results) => process.stdout.write(loadLines(load, results)),
  });
  await environment.stop();
  return report(options, loads, run);
}

function chosen({ only, quick }: Options): readonly Load[] {
  const matches = (pattern: string, name: string) =>
    pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern;
  const unknown = only.filter((pattern) => !LOADS.some(({ name }) => matches(pattern, name)));
  if (unknown.length > 0) throw new UsageError(`there is no load ${unknown.join(', ')}; --list names them`);
  if (only.length > 0) return LOADS.filter(({ name }) => only.some((pattern) => matches(pattern, name)));
  return quick ? LOADS.filter(({ name }) => QUICK.includes(name)) : LOADS;
}

function report(options: Options, _loads: readonly Load[], run: RunResults): number {
  if (options.out !== undefined) writeFileSync(options.out, `${JSON.stringify(run, undefined, 1)}\n`);
  const failed = run.results.filter(({ errors }) => errors.length > 0);
  return failed.length === 0 ? 0 : 1;
}

function fail(reason: string): never {
  process.stderr.write(`bench: ${reason}\n`);
  process.exit(1);
}

try {
  process.exitCode = await main();
} catch (error) {
  if (error instanceof UsageError) {
    process.stderr.write(`bench: ${error.message}\n\n${USAGE}`);
    process.exit(2);
  }
  fail(error instanceof Error ? error.message : 'unknown failure');
}
