/**
 * `npm run compat`: writes docs/compatibility.md from what the last `npm run test:e2e` recorded, so that the page says what was
 * seen and nothing else.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PROJECT } from './program.ts';
import { type CheckResult, type ClientResults, readResults } from './results.ts';

const PAGE = join(PROJECT, 'docs/compatibility.md');
const CELLS: Readonly<Record<CheckResult['outcome'], string>> = {
  passed: 'works',
  failed: '**fails**',
  'left out': 'left out',
};

function main(): number {
  const results = readResults();
  const checks = results.flatMap((client) => client.checks);
  if (checks.length === 0) {
    process.stderr.write('There is nothing to report yet: run `npm run test:e2e` first.\n');
    return 1;
  }
  writeFileSync(PAGE, `${page(results).trimEnd()}\n`);
  process.stdout.write(`docs/compatibility.md: ${checks.length} checks of ${results.length} clients\n`);
  return checks.some(({ outcome }) => outcome === 'failed') ? 1 : 0;
}

function page(results: readonly ClientResults[]): string {
  return [
    '# Compatibility',
    '',
    'What real clients did through a running Sealgate. The page is written by `npm run compat` from the records of `npm run test:e2e`',
    '(`test/e2e/`), in which every content that comes back is compared with what was sent, and in which each combination of',
    'client and storage ends with a search of the storage and the log for contents, digests of contents, API keys and access key ids.',
    '',
    '| client | versions | works | fails | left out |',
    '|---|---|---|---|---|',
    ...results.map(summaryRow),
    '',
    'Settings that a client needs are in [clients.md](clients.md).',
    '',
    ...results.filter(({ checks }) => checks.length > 0).flatMap(section),
  ].join('\n');
}

function summaryRow({ client, checks, skipped }: ClientResults): string {
  if (skipped !== undefined) return `| ${client} | ${skipped} | | | |`;
  const count = (outcome: CheckResult['outcome']) => checks.filter((check) => check.outcome === outcome).length;
  const versions = unique(checks.map(({ version }) => version)).join(', ');
  return `| ${client} | ${versions} | ${count('passed')} | ${count('failed')} | ${count('left out')} |`;
}

function section({ client, checks }: ClientResults): readonly string[] {
  const stages = unique(checks.map(stageOf));
  const names = unique(checks.map(({ check }) => check));
  const remarks = unique(checks.flatMap((check) => remarkOf(check, checks)));
  return [
    `## ${client}`,
    '',
    `| what was done | ${stages.join(' | ')} |`,
    `|---|${stages.map(() => '---|').join('')}`,
    ...names.map((name) => `| ${cell(name)} | ${stages.map((stage) => outcomeAt(checks, name, stage)).join(' | ')} |`),
    '',
    ...remarks.map((remark) => `- ${remark}`),
    ...(remarks.length === 0 ? [] : ['']),
  ];
}

const stageOf = ({ version, transport, backend }: CheckResult) => `${version}, ${transport}, ${backend}`;

function outcomeAt(checks: readonly CheckResult[], name: string, stage: string): string {
  const found = checks.find((check) => check.check === name && stageOf(check) === stage);
  return found === undefined ? '' : CELLS[found.outcome];
}

/** With the storage, where it was not the same on all. */
function remarkOf(one: CheckResult, all: readonly CheckResult[]): readonly string[] {
  const { check, outcome, note, version, backend } = one;
  if (note === undefined) return [];
  if (outcome === 'left out') return [`${cell(check)}: left out with ${version} on ${backend}: ${cell(note)}`];
  const differs = all.some((other) => other.check === check && other.outcome === outcome && other.note !== note);
  return [`${cell(check)}: ${cell(note)}${differs ? ` on ${backend}` : ''}`];
}

const cell = (text: string) => text.replaceAll('|', '\\|');
const unique = <T>(values: readonly T[]): readonly T[] => [...new Set(values)];

process.exitCode = main();
