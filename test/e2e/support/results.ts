/** What the runs with real clients recorded, one file of JSON for each client; the compatibility page is made from them. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PROJECT } from './program.ts';

export interface CheckResult {
  readonly client: string;
  readonly version: string;
  readonly backend: string;
  readonly transport: 'http' | 'https';
  readonly check: string;
  readonly outcome: 'passed' | 'failed' | 'left out';
  /** Why it was left out, or a remark. */
  readonly note?: string;
}

export interface ClientResults {
  readonly client: string;
  /** Why the client was not run at all. */
  readonly skipped?: string;
  readonly checks: readonly CheckResult[];
}

const DIRECTORY = join(PROJECT, 'test-results/e2e');

export function writeResults(results: ClientResults): void {
  mkdirSync(DIRECTORY, { recursive: true });
  writeFileSync(join(DIRECTORY, `${results.client}.json`), `${JSON.stringify(results, null, 1)}\n`);
}

/** By name of the client. Empty when nothing was run yet. */
export function readResults(): readonly ClientResults[] {
  try {
    const files = readdirSync(DIRECTORY).filter((name) => name.endsWith('.json'));
    return files.sort().map((name) => JSON.parse(readFileSync(join(DIRECTORY, name), 'utf8')) as ClientResults);
  } catch {
    return [];
  }
}
