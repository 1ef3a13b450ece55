/** A finished run as a report: on the terminal, as files, and in docs/performance.md. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Load } from '../loads/load.ts';
import { median } from '../measure/statistics.ts';
import type { RunResults } from '../run.ts';
import { floorOf } from './floor.ts';
import { goalsOf } from './goals.ts';
import type { Machine } from './machine.ts';
import { costTable, floorTable, goalsTable, harnessTable, machineLines, type Report, speedTable } from './markdown.ts';
import { plot } from './plot.ts';

const PAGE = fileURLToPath(new URL('../../../docs/performance.md', import.meta.url));
const PLOT = fileURLToPath(new URL('../../../docs/performance.svg', import.meta.url));
const [BEGIN, END] = ['<!-- measured: written by npm run bench -- --write docs -->', '<!-- end of measured -->'];

export function makeReport(o: {
  readonly machine: Machine;
  readonly loads: readonly Load[];
  readonly run: RunResults;
  readonly notes: readonly string[];
}): Report {
  const { results, crypto } = o.run;
  const programs = ['sealgate', 'opaque'] as const;
  const floors = o.loads.flatMap((load) =>
    programs.flatMap((program) => (isSame(load, program) ? [] : (floorOf(load, results, crypto, program) ?? []))),
  );
  const goals = goalsOf({ loads: o.loads, results, floors });
  return { machine: o.machine, loads: o.loads, results, floors, goals, notes: o.notes };
}

/** Reads cost alike in both modes. */
const isSame = (load: Load, program: string) => program === 'opaque' && load.floor?.includes('md5') !== true;

/** What a terminal shows after the loads' own lines. */
export function summary({ floors, goals }: Report): string {
  const parts = floors.length === 0 ? [] : [`\nThe floor\n\n${floorTable(floors)}\n`];
  if (goals.length > 0) parts.push(`\nGoals\n\n${goalsTable(goals)}\n`);
  return parts.join('');
}

/** JSON, Markdown and SVG beside each other. */
export function writeFiles(report: Report, directory: string): void {
  mkdirSync(directory, { recursive: true });
  const { loads, ...rest } = report;
  const named = { ...rest, loads: loads.map(({ name, title, measure }) => ({ name, title, measure })) };
  writeFileSync(join(directory, 'results.json'), `${JSON.stringify(named, undefined, 1)}\n`);
  writeFileSync(join(directory, 'results.md'), measured(report, 'results.svg'));
  writeFileSync(join(directory, 'results.svg'), plot(report.loads, report.results));
}

/** Replaces the measured part of the page, and the plot beside it. @throws Error when the page has lost its marks. */
export function writeDocs(report: Report): void {
  writeFileSync(PAGE, replaceMeasured(readFileSync(PAGE, 'utf8'), measured(report, 'performance.svg')));
  writeFileSync(PLOT, plot(report.loads, report.results));
}

export function replaceMeasured(page: string, text: string): string {
  const [start, end] = [page.indexOf(BEGIN), page.indexOf(END)];
  if (start < 0 || end < start) throw new Error('docs/performance.md has no place for what was measured');
  return `${page.slice(0, start)}${BEGIN}\n\n${text}\n${page.slice(end)}`;
}

function measured(report: Report, image: string): string {
  const others = median(report.results.map((result) => result.others)) ?? 0;
  return [
    machineLines(report.machine, others),
    ...report.notes.map((note) => `- ${note}`),
    '',
    '### Goals',
    '',
    goalsTable(report.goals),
    '',
    '### Speed',
    '',
    `![Speed of each target under each load](${image})`,
    '',
    speedTable(report),
    '',
    '### Cost',
    '',
    costTable(report),
    '',
    '### The floor',
    '',
    floorTable(report.floors),
    '',
    '### The harness alone',
    '',
    harnessTable(report),
    '',
  ].join('\n');
}
