/** Results as lines for a terminal, and numbers as people read them. */
import type { Load } from '../loads/load.ts';
import type { Result } from '../measure/result.ts';

export function figure(value: number | undefined, digits = 3): string {
  if (value === undefined || Number.isNaN(value)) return '-';
  if (value === 0) return '0';
  const magnitude = Math.floor(Math.log10(Math.abs(value)));
  return value.toFixed(Math.max(0, Math.min(6, digits - 1 - magnitude)));
}

export const mebibytes = (bytes: number | undefined): string =>
  bytes === undefined ? '-' : String(Math.round(bytes / 1024 ** 2));

/** The figure a load is compared by. */
export function speed(load: Load, result: Result): number {
  switch (load.measure) {
    case 'throughput':
      return result.mibPerSecond;
    case 'rate':
      return result.operationsPerSecond;
    case 'latency':
      return result.p50;
  }
}

export const UNITS = { throughput: 'MiB/s', rate: 'req/s', latency: 'ms' } as const;

/** How much of the other's speed: times are turned over. */
export function ratio(load: Load, result: Result, other: Result | undefined): number | undefined {
  if (other === undefined) return undefined;
  const [own, its] = [speed(load, result), speed(load, other)];
  return load.measure === 'latency' ? its / own : own / its;
}

export function loadLines(load: Load, results: readonly Result[]): string {
  const named = (name: string) => results.find(({ target }) => target === name);
  const lines = results.map((result) => {
    const cells = [
      result.target.padEnd(10),
      `${figure(speed(load, result)).padStart(7)} ${UNITS[load.measure]}`,
      `of direct ${figure(ratio(load, result, named('direct')), 2).padStart(5)}`,
      `of nginx ${figure(ratio(load, result, named('nginx')), 2).padStart(5)}`,
      `p50 ${figure(result.p50).padStart(6)} ms`,
      `p99 ${figure(result.p99).padStart(6)} ms`,
      `CPU s/GiB ${figure(result.cpuSecondsPerGiB).padStart(6)}`,
      `CPU s/1000 ${figure(result.cpuSecondsPer1000).padStart(6)}`,
      `peak ${mebibytes(result.peakMemory).padStart(4)} MiB`,
      `backend req ${figure(result.backendRequestsPerOperation)}`,
      `others ${Math.round(100 * result.others)} %`,
    ];
    const failed = result.errors.length === 0 ? '' : `  ${result.errors.length} ERRORS: ${result.errors[0]}`;
    return `  ${cells.join('  ')}${failed}`;
  });
  return `${load.name}: ${load.title}\n${lines.join('\n')}\n`;
}
