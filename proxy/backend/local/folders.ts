/**
 * The store's folders, made and fsynced before anything is put into them: a file's entry is only as durable as the entry of
 * the folder that it lies in.
 */
import { closeSync, fsyncSync, mkdirSync, openSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Blob files are spread over this many folders, named by the first byte of their names. */
const BLOB_FOLDERS = 256;

export function makeFolders(directory: string): void {
  for (const folder of ['owners', 'pending', 'blobs']) makeFolder(join(directory, folder));
  for (let i = 0; i < BLOB_FOLDERS; i++) makeFolder(join(directory, 'blobs', i.toString(16).padStart(2, '0')));
  for (const folder of [join(directory, 'blobs'), directory, dirname(directory)]) syncFolder(folder);
}

function makeFolder(path: string): void {
  mkdirSync(path, { recursive: true, mode: 0o700 });
}

function syncFolder(path: string): void {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
