/** The escrow private key for a command: from the file that `sealgate escrow keygen` wrote, or put together from shares. */

import { readSmallFile } from '../config/small-file.ts';
import { type EscrowPrivateKey, InvalidEscrowKey, parseEscrowKeyFile } from '../keyring/slots/escrow-key.ts';
import { joinEscrowShares } from '../keyring/slots/escrow-shares.ts';
import { MAX_SECRET_FILE_BYTES } from '../limits.ts';

/** The caller wipes it. @throws InvalidEscrowKey; its message says what is wrong, never the key */
export async function readEscrowKey(path: string): Promise<EscrowPrivateKey> {
  return parseEscrowKeyFile(await read(path));
}

/** A file with the key, or files with a share each. */
export interface EscrowKeySource {
  readonly file: string | undefined;
  readonly shares: readonly string[];
}

/** The caller wipes it. @throws InvalidEscrowKey */
export function readEscrowKeyFrom({ file, shares }: EscrowKeySource): Promise<EscrowPrivateKey> {
  return file === undefined ? readEscrowShares(shares) : readEscrowKey(file);
}

async function readEscrowShares(paths: readonly string[]): Promise<EscrowPrivateKey> {
  const texts: string[] = [];
  for (const path of paths) texts.push(await read(path));
  return joinEscrowShares(texts);
}

async function read(path: string): Promise<string> {
  const content = await readSmallFile(path, { maxBytes: MAX_SECRET_FILE_BYTES, Failure: InvalidEscrowKey });
  const text = content.toString('utf8');
  content.fill(0);
  return text;
}
