/**
 * The escrow private key split among several people (docs/escrow.md): N shares, of which M together are the key and M - 1 are worth
 * nothing (Shamir's secret sharing over GF(2^8); crypto/FORMAT.md, "Shares of an escrow private key"). A share names the public key, so
 * that what is put together is known to be the key, and has a checksum, so that a share that was copied wrongly is told.
 */
import { createHash, randomBytes } from 'node:crypto';
import { combine, split } from 'shamir-secret-sharing';
import { MAX_ESCROW_SHARES } from '../../approval-limits.ts';
import { ESCROW_KEY_BYTES, type EscrowPrivateKey, escrowKeyOf, InvalidEscrowKey } from './escrow-key.ts';

const PREFIX = 'sealgate-escrow-share-1:';
/** A byte for each byte of the key, and the share's own coordinate. */
const SHARE_BYTES = ESCROW_KEY_BYTES + 1;
const LINE =
  /^sealgate-escrow-share-1:(\d{1,2}):([0-9a-f]{16}):([A-Za-z0-9+/]{43}=):([A-Za-z0-9+/]{44}):([0-9a-f]{8})$/;

interface Share {
  /** As many are needed. */
  readonly threshold: number;
  /** Of one split: 16 hex digits. */
  readonly set: string;
  /** base64 of 32 bytes. */
  readonly publicKey: string;
  readonly bytes: Uint8Array;
}

export interface EscrowSplit {
  readonly threshold: number;
  readonly shares: number;
}

/** Whether a key can be split so: no single share is the key, and no share is left over for nothing. */
export function isEscrowSplit({ threshold, shares }: EscrowSplit): boolean {
  return threshold >= 2 && threshold <= shares && shares <= MAX_ESCROW_SHARES;
}

/** The content of a file for each share. */
export async function splitEscrowKey(
  key: EscrowPrivateKey,
  { threshold, shares }: EscrowSplit,
  created: string,
): Promise<readonly string[]> {
  // The package takes nothing but plain arrays of bytes.
  const secret = new Uint8Array(key.secret);
  const pieces = await split(secret, shares, threshold);
  secret.fill(0);
  const set = randomBytes(8).toString('hex');
  const publicKey = key.publicKey.toString('base64');
  const texts = pieces.map((bytes, at) => {
    const line = `${PREFIX}${threshold}:${set}:${publicKey}:${Buffer.from(bytes).toString('base64')}`;
    bytes.fill(0);
    return [
      `# Sealgate escrow private key, share ${at + 1} of ${shares}. ${threshold} shares together are the key: keep each with another person.`,
      `# created: ${created}`,
      `# public key: ${publicKey}`,
      `${line}:${checkOf(line)}`,
      '',
    ].join('\n');
  });
  return texts;
}

/**
 * The key from the contents of files with a share each. The caller wipes it.
 * @throws InvalidEscrowKey for too few shares, shares that do not belong together, and shares that are not the public key's
 */
export async function joinEscrowShares(texts: readonly string[]): Promise<EscrowPrivateKey> {
  const shares = texts.map((text, at) => parse(text, at + 1));
  const [first] = shares;
  if (first === undefined) throw new InvalidEscrowKey('There is no share.');
  const { threshold, set, publicKey } = first;
  if (shares.some((one) => one.set !== set || one.publicKey !== publicKey || one.threshold !== threshold)) {
    throw new InvalidEscrowKey(
      'The shares are not of one split: shares of different splits are worth nothing together.',
    );
  }
  if (new Set(shares.map(({ bytes }) => bytes.at(-1))).size < shares.length) {
    throw new InvalidEscrowKey('A share is given twice.');
  }
  if (shares.length < threshold) {
    throw new InvalidEscrowKey(`${threshold} shares are needed, and ${shares.length} were given.`);
  }
  const joined = await combine(shares.map(({ bytes }) => bytes));
  for (const { bytes } of shares) bytes.fill(0);
  const secret = Buffer.from(joined.buffer, joined.byteOffset, joined.byteLength);
  const key = escrowKeyOf(secret);
  secret.fill(0);
  if (key.publicKey.toString('base64') === publicKey) return key;
  key.secret.fill(0);
  throw new InvalidEscrowKey('The shares do not make the private key of their public key: one of them is not right.');
}

function parse(text: string, position: number): Share {
  const lines = text.split('\n').map((line) => line.trim());
  const [line = '', ...others] = lines.filter((one) => one !== '' && !one.startsWith('#'));
  const [, threshold = '', set = '', publicKey = '', share = '', check = ''] = LINE.exec(line) ?? [];
  if (check === '' || others.length > 0) {
    throw new InvalidEscrowKey(`File ${position} holds no share: expected one line that begins with ${PREFIX}`);
  }
  if (checkOf(line.slice(0, -check.length - 1)) !== check) {
    throw new InvalidEscrowKey(`The share in file ${position} was copied wrongly: its checksum does not match.`);
  }
  const bytes = new Uint8Array(Buffer.from(share, 'base64'));
  if (bytes.length !== SHARE_BYTES || !isEscrowSplit({ threshold: Number(threshold), shares: MAX_ESCROW_SHARES })) {
    throw new InvalidEscrowKey(`The share in file ${position} is malformed.`);
  }
  return { threshold: Number(threshold), set, publicKey, bytes };
}

/** Finds slips of a pen. It keeps nobody from making a share up: the public key does. */
function checkOf(line: string): string {
  return createHash('sha256').update(line).digest('hex').slice(0, 8);
}
