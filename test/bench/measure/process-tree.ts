/**
 * What a process and all its descendants have used, from /proc: processor time as the kernel counts it (user and system, all
 * threads), resident memory now and at its peak. Source: proc(5).
 */

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { KiB } from '../../helpers/bytes.ts';

/** Ticks a second of utime and stime: USER_HZ, which is 100 on every Linux of today. */
const TICKS_PER_SECOND = 100;

interface Stat {
  readonly pid: number;
  readonly parent: number;
  readonly seconds: number;
}

/** @returns `undefined` when the process has ended. */
export function parseStat(text: string): Stat | undefined {
  // The name of the program stands in parentheses, and may hold anything.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const pid = Number.parseInt(text, 10);
  const [parent, user, system] = [fields[1], fields[11], fields[12]].map(Number);
  if (parent === undefined || user === undefined || system === undefined || Number.isNaN(pid + parent + user + system))
    return undefined;
  return { pid, parent, seconds: (user + system) / TICKS_PER_SECOND };
}

function read(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}

/** The processes and their descendants that are alive now. */
export function processTree(roots: readonly number[]): readonly number[] {
  const stats = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => parseStat(read(`/proc/${name}/stat`)) ?? []);
  const found = new Set(roots);
  for (let before = -1; before !== found.size; ) {
    before = found.size;
    for (const { pid, parent } of stats) if (found.has(parent)) found.add(pid);
  }
  return [...found];
}

/** Seconds of processor time of all of them, since each began. A process that has ended counts nothing. */
export function cpuSeconds(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + (parseStat(read(`/proc/${pid}/stat`))?.seconds ?? 0), 0);
}

export interface Memory {
  /** Bytes, summed over the processes. */
  readonly resident: number;
  readonly peak: number;
}

export function memoryOf(pids: readonly number[]): Memory {
  const bytes = (name: string) =>
    pids.reduce((sum, pid) => {
      const kib = new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(read(`/proc/${pid}/status`))?.[1];
      return sum + Number(kib ?? 0) * KiB;
    }, 0);
  return { resident: bytes('VmRSS'), peak: bytes('VmHWM') };
}

/** From here on the peak is that of what follows. Without the right to do so the old peak stays. */
export function resetPeaks(pids: readonly number[]): void {
  for (const pid of pids) {
    try {
      writeFileSync(`/proc/${pid}/clear_refs`, '5');
    } catch {
      // Another user's process: its peak is since its start.
    }
  }
}

/** Seconds of processor time of the whole machine since its start: what was used, and what there was. */
export function machineCpu(text: string = read('/proc/stat')): { readonly busy: number; readonly total: number } {
  const fields = (/^cpu +(.*)$/m.exec(text)?.[1] ?? '').split(' ').slice(0, 8).map(Number);
  const total = fields.reduce((sum, value) => sum + value, 0);
  const idle = (fields[3] ?? 0) + (fields[4] ?? 0);
  return { busy: (total - idle) / TICKS_PER_SECOND, total: total / TICKS_PER_SECOND };
}
