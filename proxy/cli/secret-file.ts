/** A file with a secret in it: for its owner's eyes only from its first byte on, and never in the place of another. */
import { open } from 'node:fs/promises';

/** The place for a secret is taken, or cannot be written. Says which and why. */
export class SecretFileError extends Error {
  readonly code = 'SECRET_FILE';

  /** From a failure of the file system. `more`: a sentence behind it. */
  static of(path: string, cause: unknown, more = ''): SecretFileError {
    const { code } = cause as NodeJS.ErrnoException;
    const why =
      code === 'EEXIST' ? 'is already there, and is not overwritten' : `cannot be written (${code ?? 'unknown'})`;
    return new SecretFileError(`${path} ${why}.${more}`, { cause });
  }
}

/** @throws SecretFileError; nothing is overwritten. */
export async function writeSecretFile(path: string, content: string): Promise<void> {
  try {
    const file = await open(path, 'wx', 0o600);
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
  } catch (cause) {
    throw SecretFileError.of(path, cause);
  }
}
