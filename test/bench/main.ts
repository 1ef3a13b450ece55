/** `npm run bench`: measures Sealgate beside its backend alone, nginx, and whatever else is named. */
import { type Environment, openEnvironment } from './environment.ts';
import type { Load } from './loads/load.ts';
import { LOADS, QUICK } from './loads/table.ts';
import { type Options, parseOptions, USAGE, UsageError } from './options.ts';
import { describeMachine } from './report/machine.ts';
import { makeReport, summary, writeDocs, writeFiles } from './report/report.ts';
import { loadLines, mebibytes } from './report/text.ts';
import { runLoads } from './run.ts';
import { growthOf, soak } from './soak.ts';

/** Minutes after which a run that hangs ends itself. */
const MOST_MINUTES = 120;
const MOST_QUICK_MINUTES = 10;

async function main(): Promise<number> {
  const options = parseOptions(process.argv.slice(2), process.env);
  if (options.list) {
    process.stdout.write(`${LOADS.map(({ name, title }) => `${name.padEnd(28)} ${title}`).join('\n')}\n`);
    return 0;
  }
  if (options.soakMinutes !== undefined) return soakFor(options, options.soakMinutes);
  const loads = chosen(options);
  const minutes = options.quick ? MOST_QUICK_MINUTES : MOST_MINUTES;
  setTimeout(() => fail(`the run took more than ${minutes} minutes`), minutes * 60_000).unref();
  const environment = await openEnvironment(options, {
    tls: loads.some(({ transport }) => transport !== 'http'),
    floor: loads.some(({ floor }) => floor !== undefined),
  });
  for (const note of environment.notes) process.stdout.write(`${note}\n`);
  const possible = loads.filter((load) => isPossible(load, environment));
  for (const { name } of loads.filter((load) => !possible.includes(load)))
    process.stdout.write(`${name} left out: not with this backend, or not on this machine\n`);
  const run = await runLoads(environment, possible, {
    ...options,
    onResults: (load, results) => process.stdout.write(loadLines(load, results)),
  });
  await environment.stop();
  const report = makeReport({ machine: describeMachine(options), loads: possible, run, notes: environment.notes });
  process.stdout.write(summary(report));
  if (options.out !== undefined) writeFiles(report, options.out);
  if (options.writesDocs) writeDocs(report);
  const failed = run.results.filter(({ errors }) => errors.length > 0);
  for (const { load, target, errors } of failed)
    process.stderr.write(`bench: ${load} on ${target}: ${errors.length} operations failed: ${errors[0]}\n`);
  return failed.length === 0 ? 0 : 1;
}

/** Only the sink can be slowed down, or made to give objects new ETags; TLS needs a certificate. */
function isPossible({ cold, backendDelayMs, transport }: Load, { backend, targets }: Environment): boolean {
  const needsSink = cold !== undefined || backendDelayMs !== undefined;
  return targets[transport].length > 0 && (backend.sink !== undefined || !needsSink);
}

async function soakFor(options: Options, minutes: number): Promise<number> {
  const environment = await openEnvironment(options, { tls: false, floor: false });
  const slices = await soak(environment, {
    minutes,
    onSlice: ({ operations, bytes, errors, peak, resident }, count) =>
      process.stdout.write(
        `${count}: ${operations} operations, ${mebibytes(bytes)} MiB, ${errors.length} errors, peak ${mebibytes(peak)} MiB, at the end ${mebibytes(resident)} MiB\n`,
      ),
  });
  await environment.stop();
  const { early, late, isBounded } = growthOf(slices.map(({ peak }) => peak));
  const [failed] = slices.flatMap(({ errors }) => errors);
  if (failed !== undefined) process.stderr.write(`bench: operations failed: ${failed}\n`);
  process.stdout.write(
    `peak memory ${mebibytes(early)} MiB, then ${mebibytes(late)} MiB: ${isBounded ? 'PASS' : 'MISS'}\n`,
  );
  return failed === undefined && isBounded ? 0 : 1;
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
