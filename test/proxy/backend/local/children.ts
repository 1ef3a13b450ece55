/** Child processes that run a TypeScript module beside this one, read line by line. */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';

export interface Child {
  readonly process: ChildProcessByStdio<Writable, Readable, null>;
  readonly lines: AsyncIterableIterator<string>;
  /** Resolves with the signal or exit code once it is gone and its output is read. */
  readonly exited: Promise<string>;
}

export function startChild(module: string, ...args: string[]): Child {
  const path = fileURLToPath(new URL(module, import.meta.url));
  const child = spawn(process.execPath, [path, ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
  const exited = once(child, 'close').then(([code, signal]) => String(signal ?? code));
  return { process: child, lines: createInterface({ input: child.stdout })[Symbol.asyncIterator](), exited };
}

export async function nextLine(child: Child): Promise<string> {
  const { value, done } = await child.lines.next();
  if (done) throw new Error(`the child ended: ${await child.exited}`);
  return value;
}
