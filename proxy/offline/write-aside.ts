/**
 * A file that appears under its name only when it is whole: written aside, synchronised, then linked or renamed. Below a
 * directory no symbolic link is followed, so that what stands there already cannot lead a key elsewhere.
 */
import { randomBytes } from 'node:crypto';
import { link, lstat, mkdir, open, rename, rm, utimes } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** The file is there already, and may not be replaced. */
export class FileExists extends Error {
  readonly code = 'FILE_EXISTS';
  readonly path: string;
  constructor(path: string) {
    super(`${path} exists. Use --force to replace it.`);
    this.name = 'FileExists';
    this.path = path;
  }
}

export interface WriteOptions {
  readonly replace: boolean;
  /** Becomes the time of the file's last change. */
  readonly modified?: Date | undefined;
}

/**
 * @returns bytes written
 * @throws FileExists; what `chunks` throws, after which nothing is left
 */
export async function writeAside(path: string, chunks: AsyncIterable<Buffer>, o: WriteOptions): Promise<number> {
  if (!o.replace && (await kindOf(path)) !== undefined) throw new FileExists(path);
  const aside = join(dirname(path), `.sealgate-${randomBytes(9).toString('base64url')}`);
  try {
    const bytes = await writeWhole(aside, chunks);
    if (o.modified !== undefined) await utimes(aside, o.modified, o.modified);
    if (o.replace) await rename(aside, path);
    else await linkNew(aside, path);
    return bytes;
  } finally {
    await rm(aside, { force: true });
  }
}

async function writeWhole(path: string, chunks: AsyncIterable<Buffer>): Promise<number> {
  const file = await open(path, 'wx', 0o600);
  let bytes = 0;
  try {
    for await (const chunk of chunks) {
      for (let at = 0; at < chunk.length; ) at += (await file.write(chunk, at)).bytesWritten;
      bytes += chunk.length;
    }
    await file.sync();
  } finally {
    await file.close();
  }
  return bytes;
}

/** Unlike a rename, a link replaces nothing. */
async function linkNew(from: string, to: string): Promise<void> {
  try {
    await link(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') throw new FileExists(to);
    throw error;
  }
}

/**
 * The path of `pieces` below `root`, its directories made. A name that is taken by a file where a directory is wanted, or the
 * other way round, gets `%d` or `%f` behind it.
 * @throws Error when something on the way is a symbolic link
 */
export async function placeBelow(root: string, pieces: readonly string[]): Promise<string> {
  let path = root;
  for (const piece of pieces.slice(0, -1)) path = await makeDirectory(join(path, piece));
  const last = join(path, pieces.at(-1) ?? '%');
  const kind = await kindOf(last);
  if (kind === 'link') throw new Error(`${last} is a symbolic link.`);
  return kind === 'directory' ? `${last}%f` : last;
}

/** A directory of that name, or `%d` behind it. */
export async function makeDirectory(path: string): Promise<string> {
  for (const candidate of [path, `${path}%d`]) {
    const kind = (await made(candidate)) ? 'directory' : await kindOf(candidate);
    if (kind === 'directory') return candidate;
    if (kind === 'link') throw new Error(`${candidate} is a symbolic link.`);
  }
  throw new Error(`${path} cannot be made: files have its name.`);
}

async function made(path: string): Promise<boolean> {
  try {
    await mkdir(path, { mode: 0o700 });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

export async function kindOf(path: string): Promise<'file' | 'directory' | 'link' | undefined> {
  try {
    const found = await lstat(path);
    return found.isSymbolicLink() ? 'link' : found.isDirectory() ? 'directory' : 'file';
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // A piece of a key can be a file where another key has a directory.
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw error;
  }
}
