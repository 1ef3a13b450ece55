/**
 * Which processes use the store, and what dead ones left behind.
 *
 * Each process holds an exclusive lock on a small database of its own under `owners/`; the kernel drops the lock however
 * the process ends, so a file whose lock can be taken belongs to a dead process (process ids, by contrast, are reused and
 * differ between containers). While a process writes a blob it keeps a marker of the same name under `pending/<owner>/`,
 * from before the file exists until after its commit. So the sweep looks only at what was under way when a process died.
 * Registering and sweeping both happen under the index's write lock: nobody is taken for dead before it has its lock.
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, rmdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { blobPath, partialPath } from './blob-path.ts';

export interface Owner {
  readonly id: string;
  /** Leaves the store; what is still pending stays recorded for the next sweep. */
  leave(): void;
}

/** Called inside a write transaction of the index. */
export function registerOwner(directory: string): Owner {
  const id = randomBytes(16).toString('hex');
  const path = join(directory, 'owners', id);
  const pending = join(directory, 'pending', id);
  const lock = lockExclusively(path);
  mkdirSync(pending, { mode: 0o700 });
  return {
    id,
    leave() {
      const clean = readdirSync(pending).length === 0;
      if (clean) rmdirSync(pending);
      lock.close();
      if (clean) rmSync(path, { force: true });
    },
  };
}

/** Removes what dead processes left behind, and unlinks garbage. Called inside a write transaction of `index`. */
export function sweep(directory: string, index: DatabaseSync): void {
  for (const id of readdirSync(join(directory, 'owners'))) {
    const path = join(directory, 'owners', id);
    const lock = lockOfDead(path);
    if (lock === undefined) continue;
    sweepPending(directory, id, index);
    index.prepare('DELETE FROM pins WHERE owner = ?').run(id);
    lock.close();
    rmSync(path, { force: true });
  }
  const garbage = index.prepare('SELECT file FROM garbage WHERE file NOT IN (SELECT file FROM pins)').all();
  for (const { file } of garbage) {
    rmSync(blobPath(directory, String(file)), { force: true });
    index.prepare('DELETE FROM garbage WHERE file = ?').run(String(file));
  }
}

function sweepPending(directory: string, owner: string, index: DatabaseSync): void {
  const pending = join(directory, 'pending', owner);
  for (const file of listIfThere(pending)) {
    rmSync(partialPath(directory, file), { force: true });
    const committed = index.prepare('SELECT 1 FROM bodies WHERE file = ?').get(file) !== undefined;
    if (!committed) rmSync(blobPath(directory, file), { force: true });
    rmSync(join(pending, file), { force: true });
  }
  rmSync(pending, { recursive: true, force: true });
}

/** The lock of a process that is gone, now ours; undefined while the process lives. */
function lockOfDead(path: string): DatabaseSync | undefined {
  try {
    return lockExclusively(path);
  } catch {
    return undefined;
  }
}

/** @throws when another connection, of whatever process, holds the lock */
function lockExclusively(path: string): DatabaseSync {
  const lock = new DatabaseSync(path, { timeout: 0 });
  try {
    // Nothing is ever written to it, so it needs no journal beside it.
    lock.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
    return lock;
  } catch (error) {
    lock.close();
    throw error;
  }
}

function listIfThere(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
