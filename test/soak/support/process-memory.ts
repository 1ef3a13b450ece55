/** Resident memory of another process, from /proc: what the machine's owner pays for, and what the out-of-memory killer counts. */

import { readFileSync } from 'node:fs';
import { MiB } from '../../helpers/bytes.ts';

export interface MemoryReading {
  /** Bytes now, and the most since the process began. */
  readonly resident: number;
  readonly peak: number;
}

export function processMemory(pid: number): MemoryReading {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const bytes = (name: string) => {
    const kib = new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1];
    if (kib === undefined) throw new Error(`/proc/${pid}/status has no ${name}`);
    return Number(kib) * 1024;
  };
  return { resident: bytes('VmRSS'), peak: bytes('VmHWM') };
}

export interface SoakRow {
  readonly what: string;
  /** Bytes of plaintext moved. */
  readonly bytes: number;
  readonly ms: number;
  readonly memory: MemoryReading;
}

/** For the reader of a test run: what was done, how fast on this machine, and the memory it took. */
export function printSoak(title: string, rows: readonly SoakRow[]): void {
  const lines = rows.map(({ what, bytes, ms, memory }) => {
    const rate = `${Math.round(bytes / MiB / (ms / 1000))} MiB/s`;
    const [now, peak] = [memory.resident, memory.peak].map((value) => `${Math.round(value / MiB)} MiB`);
    return `  ${what.padEnd(46)} ${`${Math.round(bytes / MiB)} MiB`.padStart(9)} ${`${(ms / 1000).toFixed(1)} s`.padStart(8)} ${rate.padStart(10)}   resident ${now?.padStart(8)}   peak ${peak?.padStart(8)}`;
  });
  console.log(`${title}\n${lines.join('\n')}`);
}
