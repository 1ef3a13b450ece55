/**
 * Blob files: written aside, fsynced, renamed into place, their directory fsynced, and only then named by the index. Names
 * are random and never used again, so an open file is always the object that was looked up.
 */
import { randomBytes } from 'node:crypto';
import { type FileHandle, open, rename, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { LOCAL_IO_BYTES } from '../../limits.ts';
import { BackendUnavailable } from '../backend.ts';
import { blobFolder, blobPath, partialPath } from './blob-path.ts';
import { hasRoom } from './reserve.ts';

export class BlobFiles {
  readonly #directory: string;
  readonly #owner: string;
  readonly #removing = new Set<Promise<unknown>>();

  constructor(directory: string, owner: string) {
    this.#directory = directory;
    this.#owner = owner;
  }

  /**
   * Writes one file to the end of `chunks`, durably.
   * @returns its name, which is pending until `settle` or `discard`.
   * @throws whatever `chunks` throws; BackendUnavailable for a failure of the disk. Nothing is left behind.
   */
  async write(chunks: AsyncIterable<Buffer>): Promise<string> {
    const file = randomBytes(16).toString('hex');
    if (!(await disk(() => hasRoom(this.#directory)))) {
      throw new BackendUnavailable('the disk of the local store has no room left', { transport: 'ENOSPC' });
    }
    try {
      await disk(() => this.#mark(file));
      const handle = await disk(() => open(partialPath(this.#directory, file), 'wx', 0o600));
      try {
        await writeAll(handle, chunks);
        await disk(() => handle.sync());
      } finally {
        await handle.close();
      }
      await disk(() => rename(partialPath(this.#directory, file), blobPath(this.#directory, file)));
      await disk(() => syncFolder(blobFolder(this.#directory, file)));
      return file;
    } catch (error) {
      if (await removeIfThere(partialPath(this.#directory, file))) await this.discard(file);
      throw error;
    }
  }

  /** The index has committed a reference to the file. */
  settle(file: string): void {
    void this.#track(removeIfThere(this.#marker(file)));
  }

  /** The file was refused: it goes, then its marker. */
  async discard(file: string): Promise<void> {
    const remove = async (): Promise<void> => {
      if (await removeIfThere(blobPath(this.#directory, file))) await removeIfThere(this.#marker(file));
    };
    await this.#track(remove());
  }

  /** @returns undefined when the file is gone: its object was replaced since it was looked up. */
  async open(file: string): Promise<FileHandle | undefined> {
    try {
      return await open(blobPath(this.#directory, file), 'r');
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw new BackendUnavailable('a stored body cannot be opened', { cause });
    }
  }

  /** Waits for removals under way. */
  async close(): Promise<void> {
    await Promise.all(this.#removing);
  }

  #marker(file: string): string {
    return join(this.#directory, 'pending', this.#owner, file);
  }

  async #mark(file: string): Promise<void> {
    await (await open(this.#marker(file), 'wx', 0o600)).close();
  }

  #track<T>(removal: Promise<T>): Promise<T> {
    this.#removing.add(removal);
    void removal.finally(() => this.#removing.delete(removal));
    return removal;
  }
}

/** Writes in large pieces, taking the next chunks while the last piece is being written. */
async function writeAll(handle: FileHandle, chunks: AsyncIterable<Buffer>): Promise<void> {
  let batch: Buffer[] = [];
  let bytes = 0;
  let position = 0;
  let writing: Promise<void> = Promise.resolve();
  const flush = async (): Promise<void> => {
    await writing;
    writing = writeFully(handle, batch, position);
    writing.catch(() => undefined);
    position += bytes;
    batch = [];
    bytes = 0;
  };
  try {
    for await (const chunk of chunks) {
      batch.push(chunk);
      bytes += chunk.length;
      if (bytes >= LOCAL_IO_BYTES) await flush();
    }
    if (bytes > 0) await flush();
  } finally {
    await writing;
  }
}

async function writeFully(handle: FileHandle, buffers: readonly Buffer[], position: number): Promise<void> {
  await disk(async () => {
    const total = buffers.reduce((sum, buffer) => sum + buffer.length, 0);
    const { bytesWritten } = await handle.writev(buffers, position);
    if (bytesWritten === total) return;
    const rest = Buffer.concat(buffers).subarray(bytesWritten);
    for (let done = 0; done < rest.length; ) {
      done += (await handle.write(rest, done, rest.length - done, position + bytesWritten + done)).bytesWritten;
    }
  });
}

async function disk<T>(action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? 'unknown';
    throw new BackendUnavailable(`the disk of the local store failed (${code})`, { cause });
  }
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** @returns whether the file is gone. If not, its marker has to stay: the next opening of the store removes both. */
async function removeIfThere(path: string): Promise<boolean> {
  try {
    await unlink(path);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT';
  }
}
