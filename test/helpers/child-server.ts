/** Starts a server program for a test on a free loopback port, waits until it answers, and stops it for good. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { setTimeout } from 'node:timers/promises';

export interface ChildServer {
  readonly endpoint: URL;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  stop(): Promise<void>;
}

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

export interface ChildOptions {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly endpoint: URL;
  /** Milliseconds until it must answer. */
  readonly startMs: number;
}

/**
 * `undefined` when the program is not installed. Resolves once the endpoint answers HTTP, whatever the status but 503: a
 * server says so while it is still starting.
 * @throws Error when it exits or stays silent.
 */
export async function startChild(
  o: ChildOptions,
): Promise<{ stop(): Promise<void>; pause(): Promise<void>; resume(): void } | undefined> {
  const child = spawn(o.command, o.args, { env: { ...process.env, ...o.env }, stdio: 'ignore', detached: true });
  const spawned = await Promise.race([
    once(child, 'spawn').then(() => true),
    once(child, 'error').then(() => false),
  ]).catch(() => false);
  if (!spawned) return undefined;
  const exited = once(child, 'exit');
  const kill = () => killGroup(child);
  process.once('exit', kill);
  const stop = async () => {
    process.off('exit', kill);
    kill();
    if (child.exitCode === null && child.signalCode === null) await exited;
  };
  try {
    await answers(o.endpoint, { ms: o.startMs, child });
  } catch (error) {
    await stop();
    throw error;
  }
  return { stop, pause: () => paused(child), resume: () => void child.kill('SIGCONT') };
}

/** Stops a process without ending it. A busy machine takes a moment, in which the process still answers. */
async function paused(child: ChildProcess): Promise<void> {
  child.kill('SIGSTOP');
  const isStopped = async () => / T /.test(await readFile(`/proc/${child.pid}/stat`, 'latin1'));
  while (!(await isStopped())) await setTimeout(10);
}

/** The program and what it started: launchers such as pyenv's leave a child behind otherwise. */
function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // Already gone.
  }
}

async function answers(endpoint: URL, o: { ms: number; child: ChildProcess }): Promise<void> {
  const deadline = Date.now() + o.ms;
  while (Date.now() < deadline) {
    if (o.child.exitCode !== null) throw new Error(`The server at ${endpoint.origin} exited at its start`);
    const answered = await fetch(endpoint, { signal: AbortSignal.timeout(2_000) }).then(
      async (response) => {
        await response.body?.cancel();
        return response.status !== 503;
      },
      () => false,
    );
    if (answered) return;
    await setTimeout(50);
  }
  throw new Error(`The server at ${endpoint.origin} did not answer in ${o.ms} ms`);
}
