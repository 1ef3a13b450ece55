// Protects: processor time and memory, read from /proc. They are what the benchmark's main claim, cost, rests on.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, test } from 'vitest';
import { cpuSeconds, machineCpu, memoryOf, parseStat, processTree, resetPeaks } from './process-tree.ts';

describe('a line of /proc/PID/stat', () => {
  const line = (name: string) =>
    `4711 (${name}) S 17 4711 4711 0 -1 4194304 1 2 3 4 250 150 7 8 20 0 11 0 5 6 7 8 9 10 11`;

  test('gives parent and user and system time in seconds', () => {
    expect(parseStat(line('node'))).toEqual({ pid: 4711, parent: 17, seconds: 4 });
  });

  test('may have spaces and parentheses in the name', () => {
    expect(parseStat(line('a) R 9 (b c'))).toEqual({ pid: 4711, parent: 17, seconds: 4 });
  });

  test('of a process that has ended is nothing', () => {
    expect(parseStat('')).toBeUndefined();
  });
});

test('the machine is busy with all but idling and waiting for disks, guests counted once', () => {
  const text = 'cpu  100 20 30 400 50 6 7 8 60 20\ncpu0 1 2 3 4 5 6 7 8 9 10\n';
  expect(machineCpu(text)).toEqual({ busy: 1.71, total: 6.21 });
});

describe('processes', () => {
  const child = fork(fileURLToPath(new URL('busy-child.ts', import.meta.url)), { execArgv: ['--expose-gc'] });
  afterEach(() => child.kill());

  test('with their descendants: time spent, memory, and a peak that begins anew', async () => {
    const [{ grandchild }] = (await once(child, 'message')) as [{ grandchild: number }];
    const pid = child.pid ?? 0;
    expect(processTree([process.pid])).toEqual(expect.arrayContaining([process.pid, pid, grandchild]));
    expect(processTree([pid])).toEqual([pid, grandchild]);
    expect(processTree([])).toEqual([]);

    const before = cpuSeconds([pid]);
    child.send({ spendMs: 300, bytes: 128 * 1024 ** 2 });
    await once(child, 'message');
    const spent = cpuSeconds([pid]) - before;
    expect(spent).toBeGreaterThan(0.25);

    const { resident, peak } = memoryOf([pid]);
    expect(peak).toBeGreaterThan(128 * 1024 ** 2);
    expect(resident).toBeLessThanOrEqual(peak);
    expect(memoryOf([pid, grandchild]).peak).toBeGreaterThan(peak);

    child.send({ spendMs: 0, bytes: 0 });
    await once(child, 'message');
    // The memory is given back on another thread, a little later.
    const peakAnew = () => {
      resetPeaks([pid]);
      return memoryOf([pid]).peak;
    };
    await expect.poll(peakAnew).toBeLessThan(peak - 64 * 1024 ** 2);
  });
});
