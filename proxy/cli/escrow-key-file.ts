/** The escrow private key for a command: from the file that `sealgate escrow keygen` wrote. */

import { readSmallFile } from '../config/small-file.ts';
import { type EscrowPrivateKey, InvalidEscrowKey, parseEscrowKeyFile } from '../keyring/slots/escrow-key.ts';
import { MAX_SECRET_FILE_BYTES } from '../limits.ts';

/** The caller wipes it. @throws InvalidEscrowKey; its message says what is wrong, never the key */
export async function readEscrowKey(path: string): Promise<EscrowPrivateKey> {
  const content = await readSmallFile(path, { maxBytes: MAX_SECRET_FILE_BYTES, Failure: InvalidEscrowKey });
  return parseEscrowKeyFile(content.toString('utf8'));
}
