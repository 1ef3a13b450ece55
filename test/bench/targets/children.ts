/**
 * The processes of a run. They end with it, whatever ends it: on an exit of any kind this process kills them, and should it
 * be killed itself, a guard that notices does.
 */
import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

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

  constructor() {
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

  async stopAll(): Promise<void> {
    await Promise.all([...this.#running].map((child) => stop(child)));
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
    if (this.#guard.connected) this.#guard.send([...this.#running].map(({ pid }) => pid));
  }

  #killAll(): void {
    for (const child of this.#running) child.kill('SIGKILL');
    this.#guard.kill();
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
