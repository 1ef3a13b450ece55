/** A file with a secret in it: for its owner's eyes only from its first byte on, and never in the place of another. */
import { open } from 'node:fs/promises';

/** A file was already there, or could not be written. */
export class SecretFileError extends Error {
  readonly code = 'SECRET_FILE';
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
    const { code } = cause as NodeJS.ErrnoException;
    const why =
      code === 'EEXIST' ? 'is already there, and is not overwritten' : `cannot be written (${code ?? 'unknown'})`;
    throw new SecretFileError(`${path} ${why}.`, { cause });
  }
}
