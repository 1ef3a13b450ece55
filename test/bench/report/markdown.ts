/** A run's results as Markdown: goals, floor, and the tables of speed and of cost. */
import type { Load } from '../loads/load.ts';
import type { Result } from '../measure/result.ts';
import type { Floor } from './floor.ts';
import type { Goal } from './goals.ts';
import type { Machine } from './machine.ts';
import { figure, mebibytes, ratio, speed, UNITS } from './text.ts';

export interface Report {
  readonly machine: Machine;
  readonly loads: readonly Load[];
  readonly results: readonly Result[];
  readonly floors: readonly Floor[];
  readonly goals: readonly Goal[];
  readonly notes: readonly string[];
}

/** @returns lines of a table. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  const rule = head.map((_, column) => (column === 0 ? '---' : '---:'));
  return [line(head), `|${rule.join('|')}|`, ...rows.map(line)].join('\n');
}

export function goalsTable(goals: readonly Goal[]): string {
  return table(
    ['goal', 'bound', 'measured', 'met'],
    goals.map(({ name, kind, bound, value, isMet }) => [
      name,
      `${kind === 'most' ? 'at most' : 'at least'} ${figure(bound)}`,
      figure(value),
      isMet ? 'PASS' : 'MISS',
    ]),
  );
}

export function floorTable(floors: readonly Floor[]): string {
  return table(
    ['CPU seconds a GiB', 'node:http', 'AES-256-GCM', 'MD5', 'SHA-256', 'floor', 'Sealgate', 'of the floor'],
    floors.map(({ load, program, moving, parts, sum, sealgate, ratio: over }) => [
      program === 'opaque' ? `${load.title}, opaque ETags` : load.title,
      figure(moving),
      figure(parts.seal ?? parts.open),
      figure(parts.md5),
      figure(parts.sha256),
      figure(sum),
      figure(sealgate),
      figure(over),
    ]),
  );
}

function targetsOf(results: readonly Result[]): readonly string[] {
  return [...new Set(results.map(({ target }) => target))];
}

export function speedTable({ loads, results }: Report): string {
  const targets = targetsOf(results);
  const rows = loads.map((load) => {
    const own = (target: string) => results.find((one) => one.load === load.name && one.target === target);
    const sealgate = own('sealgate');
    const of = (target: string) => (sealgate === undefined ? '-' : figure(ratio(load, sealgate, own(target)), 2));
    const cell = (target: string) => {
      const result = own(target);
      return result === undefined ? '-' : figure(speed(load, result));
    };
    return [load.title, UNITS[load.measure], ...targets.map(cell), of('nginx'), of('direct')];
  });
  return table(['load', 'unit', ...targets, 'sealgate of nginx', 'sealgate of direct'], rows);
}

export function costTable({ loads, results }: Report): string {
  const rows = loads.flatMap((load) =>
    results
      .filter((result) => result.load === load.name && result.target !== 'direct')
      .map((result) => [
        load.title,
        result.target,
        figure(result.p50),
        figure(result.p99),
        figure(result.cpuSecondsPerGiB),
        figure(result.cpuSecondsPer1000),
        mebibytes(result.peakMemory),
        figure(result.backendRequestsPerOperation),
        range(load, result),
        `${Math.round(100 * result.others)} %`,
      ]),
  );
  const head = ['load', 'through', 'p50 ms', 'p99 ms', 'CPU s a GiB', 'CPU s a 1,000', 'peak MiB', 'backend requests'];
  return table([...head, 'rounds', 'others'], rows);
}

/** The slowest and the fastest round. */
function range(load: Load, result: Result): string {
  const all = result.samples
    .filter(({ operations }) => operations > 0)
    .map((sample) => speed(load, asResult(result, sample)));
  return all.length === 0 ? '-' : `${figure(Math.min(...all))} to ${figure(Math.max(...all))}`;
}

function asResult(result: Result, sample: Result['samples'][number]): Result {
  return {
    ...result,
    mibPerSecond: sample.bytes / 1024 ** 2 / sample.seconds,
    operationsPerSecond: sample.operations / sample.seconds,
    p50: sample.p50 ?? Number.NaN,
  };
}

/** What the harness itself can do: its generator and its sink, with nothing between. */
export function harnessTable({ loads, results }: Report): string {
  const rows = loads.flatMap((load) => {
    const found = results.find((result) => result.load === load.name && result.target === 'direct');
    if (found === undefined) return [];
    const { backendCpuMs } = found;
    return [
      [
        load.title,
        `${figure(speed(load, found))} ${UNITS[load.measure]}`,
        figure(found.clientCpuMs),
        figure(backendCpuMs),
      ],
    ];
  });
  return table(['load', 'direct', 'generator, CPU ms an operation', 'sink, CPU ms an operation'], rows);
}

/** Of the machine's processor time, in other processes: above that, what needs the clock is worth little. */
const BUSY = 0.1;
const BUSY_NOTE =
  ': **it was busy with other work. Speeds and latencies are what was left of it, and ratios of speeds vary; processor time is counted by process and is much less affected**';

export function machineLines(machine: Machine, others: number): string {
  return [
    `- Machine: ${machine.processor}, ${machine.cores} cores, ${machine.memory} GiB; ${machine.kernel}`,
    `- Node.js ${machine.node}, OpenSSL ${machine.openssl}, nginx ${machine.nginx} (one worker)`,
    `- Sealgate at commit ${machine.commit}, one process, default settings; ${machine.date}`,
    `- Command: \`${machine.command}\``,
    `- Of the machine's processor time, other processes took ${Math.round(100 * others)} % in the median measurement${others > BUSY ? BUSY_NOTE : ''}`,
  ].join('\n');
}
