/** `npm run bench`: measures Sealgate beside its backend alone, nginx, and whatever else is named. */
import { openEnvironment } from './environment.ts';
import type { Load } from './loads/load.ts';
import { LOADS, QUICK } from './loads/table.ts';
import { type Options, parseOptions, USAGE, UsageError } from './options.ts';
import { describeMachine } from './report/machine.ts';
import { makeReport, summary, writeDocs, writeFiles } from './report/report.ts';
import { loadLines } from './report/text.ts';
import { runLoads } from './run.ts';

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
  const report = makeReport({ machine: describeMachine(options), loads, run, notes: environment.notes });
  process.stdout.write(summary(report));
  if (options.out !== undefined) writeFiles(report, options.out);
  if (options.writesDocs) writeDocs(report);
  const failed = run.results.filter(({ errors }) => errors.length > 0);
  for (const { load, target, errors } of failed)
    process.stderr.write(`bench: ${load} on ${target}: ${errors.length} operations failed: ${errors[0]}\n`);
  return failed.length === 0 ? 0 : 1;
}

function chosen({ only, quick }: Options): readonly Load[] {
  const matches = (pattern: string, name: string) =>
    new RegExp(`^${pattern.replaceAll(/[^a-z0-9*-]/g, '_').replaceAll('*', '.*')}$`).test(name);
  const unknown = only.filter((pattern) => !LOADS.some(({ name }) => matches(pattern, name)));
  if (unknown.length > 0) throw new UsageError(`there is no load ${unknown.join(', ')}; --list names them`);
  if (only.length > 0) return LOADS.filter(({ name }) => only.some((pattern) => matches(pattern, name)));
  return quick ? LOADS.filter(({ name }) => QUICK.includes(name)) : LOADS;
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
