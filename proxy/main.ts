/** The command line: which command, with which settings. */
import { readFileSync } from 'node:fs';
import { explainStoreFailure } from './backend/trouble/explain-store-failure.ts';
import { troubleText } from './backend/trouble/store-trouble.ts';
import { UsageError } from './cli/command-line.ts';
import { findCommand, overview, requireCommand } from './cli/commands.ts';
import { ConfigError } from './config/settings.ts';
import { S3Error } from './errors.ts';
import { StartRefused } from './startup/finding.ts';

/** @returns the exit code: 0 done, 1 failed, 2 wrong usage */
export async function main(args: readonly string[]): Promise<number> {
  const [command, ...rest] = args;
  try {
    if (command === undefined) {
      process.stderr.write(overview());
      return 2;
    }
    if (command === 'version' || command === '--version' || command === '-v') return version(rest);
    if (command === '--help' || command === '-h') return help([]);
    if (command === 'help') return help(rest);
    // Help comes before any setting is read: the reader may have no settings yet.
    const ends = args.indexOf('--');
    const asked = ends < 0 ? args : args.slice(0, ends);
    if (asked.includes('--help') || asked.includes('-h')) return help(args);
    return await requireCommand(args).run(rest, process.env);
  } catch (error) {
    if (error instanceof UsageError) {
      process.stderr.write(`sealgate: ${error.message}\n'sealgate help' lists the commands.\n`);
      return 2;
    }
    process.stderr.write(`sealgate: ${explain(error)}\n`);
    return 1;
  }
}

/** @throws UsageError for a command that does not exist */
function help(words: readonly string[]): number {
  process.stdout.write(words.length === 0 ? overview() : (findCommand(words) ?? requireCommand(words)).usage);
  return 0;
}

/** @throws UsageError for anything behind it */
function version(rest: readonly string[]): number {
  if (rest[0] !== undefined) throw new UsageError(`Unexpected argument '${rest[0]}'.`);
  process.stdout.write(`sealgate ${packageVersion()} (Node.js ${process.versions.node})\n`);
  return 0;
}

/** Reads package.json, one level above the sources and two levels above the compiled files. */
function packageVersion(): string {
  for (const up of ['../package.json', '../../package.json']) {
    try {
      return (JSON.parse(readFileSync(new URL(up, import.meta.url), 'utf8')) as { version: string }).version;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
  return 'of an unknown version';
}

function explain(error: unknown): string {
  if (error instanceof ConfigError || error instanceof StartRefused) return `cannot start: ${error.message}`;
  const trouble = explainStoreFailure(error);
  if (trouble !== undefined) return `cannot work with the store: ${troubleText(trouble)}`;
  if (error instanceof S3Error) return withCause(`${error.code}: ${error.message}`, error.cause);
  return error instanceof Error ? error.message : 'unknown failure';
}

/** At the start of the server, the operator needs the reason behind a 503. */
function withCause(text: string, cause: unknown): string {
  return cause instanceof Error ? `${text} (${cause.message})` : text;
}
