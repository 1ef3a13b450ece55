/** `sealgate migrate` in a process of its own, killed while it is at work, and run to its end. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout } from 'node:timers/promises';
import { NODE, PROJECT, type ProgramOptions } from '../../e2e/support/program.ts';

export interface Job {
  readonly program: ProgramOptions;
  readonly args: readonly string[];
}

/**
 * Kills the job as a power cut would, `after` milliseconds from its first word of progress beyond `seen` objects.
 * @returns objects that it had done by then @throws Error when it ended by itself
 */
export async function killAtWork({ program, args }: Job, o: { seen: number; after: number }): Promise<number> {
  const { directory, settings } = program;
  const env = { PATH: process.env['PATH'] ?? '', HOME: directory, ...settings };
  const child = spawn(NODE, [join(PROJECT, 'bin/sealgate.js'), ...args], {
    cwd: directory,
    env,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const exited = once(child, 'exit');
  let said = '';
  for await (const line of createInterface({ input: child.stderr })) {
    said += `${line}\n`;
    const objects = Number(/"objects":(\d+)/.exec(line)?.[1] ?? 0);
    if (objects <= o.seen) continue;
    await setTimeout(o.after);
    const isAtWork = child.exitCode === null && child.kill('SIGKILL');
    await exited;
    if (child.signalCode !== 'SIGKILL' || !isAtWork) break;
    return objects;
  }
  throw new Error(`It ended before it was killed. More objects or a lower rate make it last longer. It said: ${said}`);
}
