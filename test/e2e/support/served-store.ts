/** A server on an embedded store, each in a process and a directory of its own, and the program's commands run beside it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Backend } from '../../../proxy/backend/backend.ts';
import { openLocalBackend } from '../../../proxy/backend/local/local.ts';
import { SealKeys } from '../../../proxy/keyring/access-keys/seal-keys.ts';
import type { TestTenant } from '../../helpers/proxy.ts';
import { NODE, PROJECT, type ProgramOptions, type RunningProgram, runProgram, startServe } from './program.ts';

export interface ServedStore extends ProgramOptions {
  /** What runs. A test that stops it starts another: `store.server = await startServe(store)`. */
  server: RunningProgram;
  /** The store itself, past the server. */
  readonly backend: Backend;
  /** For all buckets. Its key is in the directory too, as `key.json`. */
  readonly tenant: TestTenant;
  /** A command, to its end. */
  run(...args: readonly string[]): ReturnType<typeof runProgram>;
  /** A command under way, whose output nobody reads. */
  spawn(...args: readonly string[]): ChildProcess;
  close(): Promise<void>;
}

export async function serveStore(): Promise<ServedStore> {
  const directory = await mkdtemp(join(tmpdir(), 'sealgate-served-'));
  const store = join(directory, 'store');
  const settings = {
    SEALGATE_BACKEND: `local:${store}`,
    SEALGATE_STATE: 'sealgate-state',
    SEALGATE_SEAL_KEYS: SealKeys.generate(),
  };
  const run = (...args: readonly string[]) => runProgram(args, { directory, settings });
  const server = await startServe({ directory, settings });
  const { stdout } = await run('tenant', 'create', '--bucket', '*', '--json');
  await writeFile(join(directory, 'key.json'), stdout, { mode: 0o600 });
  const served: ServedStore = {
    directory,
    settings,
    server,
    backend: await openLocalBackend({ directory: store }),
    tenant: JSON.parse(stdout),
    run,
    spawn: (...args) =>
      spawn(NODE, [join(PROJECT, 'bin/sealgate.js'), ...args], {
        cwd: directory,
        env: { PATH: process.env['PATH'] ?? '', ...settings },
        stdio: 'ignore',
      }),
    async close() {
      await served.server.stop();
      await served.backend.close();
      await rm(directory, { recursive: true });
    },
  };
  return served;
}
