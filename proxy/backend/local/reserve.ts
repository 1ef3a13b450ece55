/**
 * Room for deletes on a full disk. The index records a delete before anything is taken away, so on a disk without a free block nothing
 * could be deleted. A file keeps some room; it goes when a delete finds none, and is made again once there is room. While the
 * file is missing, what would make the store larger is refused, so that the room stays for deletes, and for the proxy's own state:
 * nothing is done without its audit.
 */
import { randomBytes } from 'node:crypto';
import { lstatSync, rmSync, type Stats, statfsSync, writeFileSync } from 'node:fs';
import { lstat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { LOCAL_RESERVE_BYTES } from '../../store-limits.ts';

/** So much must be free before the reserve is made, so that something is left for what the store grows by. */
const FREE_BYTES = 2 * LOCAL_RESERVE_BYTES;

/** For the thread that writes the index, which alone makes and releases it. */
export class Reserve {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Makes it where it is missing and there is room. Returns whether it is there. Called under the write lock of the index. */
  keep(): boolean {
    if (isWhole(lstatSync(pathIn(this.#directory), { throwIfNoEntry: false }))) return true;
    this.release();
    if (freeBytes(statfsSync(this.#directory)) < FREE_BYTES) return false;
    try {
      // Of bytes that no file system makes smaller.
      writeFileSync(pathIn(this.#directory), randomBytes(LOCAL_RESERVE_BYTES), { mode: 0o600, flag: 'wx' });
      return true;
    } catch {
      this.release();
      return false;
    }
  }

  /** Whether there was anything to release. */
  release(): boolean {
    const path = pathIn(this.#directory);
    if (lstatSync(path, { throwIfNoEntry: false }) === undefined) return false;
    rmSync(path, { force: true });
    return true;
  }
}

/** Whether a body may be written, asked before any of it is. */
export async function hasRoom(directory: string): Promise<boolean> {
  const there = await lstat(pathIn(directory)).catch(() => undefined);
  return isWhole(there) || freeBytes(await statfs(directory)) >= FREE_BYTES;
}

function pathIn(directory: string): string {
  return join(directory, 'reserve');
}

/** Nothing but a file of this disk keeps room on it: a link does not. */
function isWhole(file: Stats | undefined): boolean {
  return file?.isFile() === true && file.size >= LOCAL_RESERVE_BYTES;
}

function freeBytes({ bavail, bsize }: { readonly bavail: number; readonly bsize: number }): number {
  return bavail * bsize;
}
