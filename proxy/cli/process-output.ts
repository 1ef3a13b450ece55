/**
 * Where commands write: standard output and standard error of the process. A secret is handed over: what was to happen after it
 * happens only when it has left the process, for a command that changes keys must not take the only copy of one with it.
 */
import { fstat, fsync, stat } from 'node:fs';
import { promisify } from 'node:util';
import type { HandingOutput } from './command-line.ts';
import { SecretFileError } from './secret-file.ts';

const STDOUT = 1;

export const PROCESS_OUTPUT: HandingOutput = {
  out: (line) => void process.stdout.write(`${line}\n`),
  err: (line) => void process.stderr.write(`${line}\n`),
  handOver,
};

/**
 * Writes one or more lines to standard output. Resolves when a pipe, a terminal or the disk has them.
 * @throws SecretFileError when nobody reads it any more, or nobody ever did: /dev/null, which also stands for a closed descriptor
 */
async function handOver(text: string): Promise<void> {
  if (await isNull())
    throw new SecretFileError('Standard output goes nowhere, and the key would be lost: name a file.');
  // To others a reader that went away is no failure, and ends the process. Here it is one, told to the callback.
  const listeners = process.stdout.rawListeners('error') as ((error: Error) => void)[];
  process.stdout.removeAllListeners('error').on('error', ignore);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  process.stdout.write(`${text}\n`, (error) => (error ? reject(error) : resolve()));
  try {
    await promise;
    await toDisk();
    process.stdout.off('error', ignore);
    for (const listener of listeners) process.stdout.on('error', listener);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new SecretFileError(`Standard output cannot be written (${code ?? 'unknown failure'}).`, { cause });
  }
}

function ignore(): void {}

/** Node opens /dev/null in the place of a descriptor that was closed. */
async function isNull(): Promise<boolean> {
  const device = await promisify(stat)('/dev/null').catch(() => undefined);
  const own = await promisify(fstat)(STDOUT);
  return device !== undefined && own.isCharacterDevice() && own.rdev === device.rdev;
}

/** A file is synchronised; what is none has nothing to synchronise. */
async function toDisk(): Promise<void> {
  if ((await promisify(fstat)(STDOUT)).isFile()) await promisify(fsync)(STDOUT);
}
