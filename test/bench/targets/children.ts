/**
 * The processes of a run. They end with it, whatever ends it: on an exit of any kind this process kills them and what they
 * started, and should it be killed itself, a guard that notices does.
 */
import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { processTree } from '../measure/process-tree.ts';
import type { Guarded } from './guard-child.ts';

export interface Child {
  readonly pid: number;
  readonly process: ChildProcess;
  /** SIGTERM, then SIGKILL when that does not end it in 15 s. */
  stop(): Promise<void>;
}

const STOP_MS = 15_000;

export class Children {
  readonly #running = new Set<ChildProcess>();
  readonly #guard: ChildProcess;

  readonly #directory: string;

  /** @param directory of this run, removed by the guard when nobody else can. */
  constructor(directory: string) {
    this.#directory = directory;
    this.#guard = fork(fileURLToPath(new URL('guard-child.ts', import.meta.url)), { detached: true, stdio: 'ignore' });
    this.#guard.channel?.unref();
    this.#guard.unref();
    process.once('exit', () => this.#killAll());
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(130));
  }

  /** `undefined` when the program is not installed. Both its outputs go to the file `log`. */
  async start(o: {
    command: string;
    args: readonly string[];
    env?: Readonly<Record<string, string>>;
    cwd?: string;
    log: string;
  }): Promise<Child | undefined> {
    const log = openSync(o.log, 'a');
    const env = { PATH: process.env['PATH'] ?? '', ...o.env };
    const child = spawn(o.command, o.args, { env, cwd: o.cwd, stdio: ['ignore', log, log] });
    const spawned = await Promise.race([
      once(child, 'spawn').then(() => true),
      once(child, 'error').then(() => false),
    ]).catch(() => false);
    return spawned ? this.#adopt(child) : undefined;
  }

  /** A module of this tree with a channel to it. */
  fork(module: URL, args: readonly string[]): Child {
    return this.#adopt(fork(fileURLToPath(module), args, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] }));
  }

  /** The last first: what serves ends while its store is still there to take its last writes. */
  async stopAll(): Promise<void> {
    for (const child of [...this.#running].reverse()) await stop(child);
    this.#guard.kill();
  }

  #adopt(child: ChildProcess): Child {
    this.#running.add(child);
    this.#tellGuard();
    child.once('exit', () => {
      this.#running.delete(child);
      this.#tellGuard();
    });
    return { pid: child.pid ?? 0, process: child, stop: () => stop(child) };
  }

  #tellGuard(): void {
    const guarded: Guarded = { pids: this.#pids(), directory: this.#directory };
    if (this.#guard.connected) this.#guard.send(guarded);
  }

  #pids(): number[] {
    return [...this.#running].flatMap(({ pid }) => pid ?? []);
  }

  #killAll(): void {
    killTrees(this.#pids());
    this.#guard.kill();
  }
}

/** At once, with all that they started. */
export function killTrees(pids: readonly number[]): void {
  for (const pid of pids.length === 0 ? [] : processTree(pids)) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It has ended already.
    }
  }
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  const force = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
  await exited;
  clearTimeout(force);
}
