/** The escrow private key for a command: from the file that `sealgate escrow keygen` wrote. */
import { type EscrowPrivateKey, InvalidEscrowKey, parseEscrowKeyFile } from '../keyring/escrow-key.ts';
import { MAX_SECRET_FILE_BYTES } from '../limits.ts';
import { readBounded } from '../read-bounded.ts';

/** The caller wipes it. @throws InvalidEscrowKey; its message says what is wrong, never the key */
export async function readEscrowKey(path: string): Promise<EscrowPrivateKey> {
  let text: string;
  try {
    text = (await readBounded(path, MAX_SECRET_FILE_BYTES)).toString('utf8');
  } catch (cause) {
    throw new InvalidEscrowKey(
      `${path} cannot be read (${(cause as NodeJS.ErrnoException).code ?? 'unknown failure'}).`,
    );
  }
  return parseEscrowKeyFile(text);
}
