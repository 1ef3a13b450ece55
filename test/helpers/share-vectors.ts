/**
 * Makes test/vectors/keyring/shares.json: run with Node from the repository's root. The shares are random, so that only a change of the
 * format is a reason to make others.
 */
import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { type EscrowPrivateKey, escrowKeyOf, InvalidEscrowKey } from '../../proxy/keyring/slots/escrow-key.ts';
import { joinEscrowShares, splitEscrowKey } from '../../proxy/keyring/slots/escrow-shares.ts';

export interface ShareVector {
  readonly name: string;
  /** Contents of files. */
  readonly shares: readonly string[];
  /** Hex, or the step that refuses. */
  readonly result: { readonly privateKey: string; readonly publicKey: string } | string;
}

const CREATED = '2026-06-01T00:00:00Z';

async function makeShareVectors(): Promise<readonly ShareVector[]> {
  const key = escrowKeyOf(Buffer.from('2b'.repeat(32), 'hex'));
  const [a = '', b = '', c = ''] = await splitEscrowKey(key, { threshold: 2, shares: 3 }, CREATED);
  const [other = ''] = await splitEscrowKey(key, { threshold: 2, shares: 3 }, CREATED);
  const five = await splitEscrowKey(key, { threshold: 3, shares: 5 }, CREATED);
  const opens = { privateKey: key.secret.toString('hex'), publicKey: key.publicKey.toString('hex') };
  return [
    { name: 'two of three', shares: [a, c], result: opens },
    { name: 'two of three, the other way round', shares: [c, b], result: opens },
    { name: 'three of three, of which two are needed', shares: [b, a, c], result: opens },
    { name: 'three of five', shares: [five[4] ?? '', five[0] ?? '', five[2] ?? ''], result: opens },
    { name: 'two of five, of which three are needed', shares: five.slice(0, 2), result: 'threshold' },
    { name: 'one share', shares: [a], result: 'threshold' },
    { name: 'a share twice', shares: [a, a], result: 'twice' },
    { name: 'shares of two splits', shares: [a, other], result: 'set' },
    { name: 'a share with a slip of the pen', shares: [a, b.replace(/.(?=:[0-9a-f]{8}\n)/, swapped)], result: 'check' },
    { name: 'a share that was made up', shares: [a, forged(b)], result: 'public-key' },
    { name: 'no share', shares: [a, '# nothing\n'], result: 'share' },
  ];
}

function swapped(letter: string): string {
  return letter === 'A' ? 'B' : 'A';
}

/** Another value, with a checksum that holds. In its midst: X25519 ignores bits of the first and the last byte (RFC 7748, section 5). */
export function forged(share: string): string {
  const line = share.split('\n').find((one) => one.startsWith('sealgate-')) ?? '';
  const parts = line.split(':');
  const bytes = Buffer.from(parts[4] ?? '', 'base64');
  bytes.writeUInt8(bytes.readUInt8(16) ^ 1, 16);
  const altered = [...parts.slice(0, 4), bytes.toString('base64')].join(':');
  const check = createHash('sha256').update(altered).digest('hex').slice(0, 8);
  return `${altered}:${check}\n`;
}

const STEPS: readonly (readonly [RegExp, string])[] = [
  [/are needed, and/, 'threshold'],
  [/given twice/, 'twice'],
  [/not of one split/, 'set'],
  [/checksum/, 'check'],
  [/do not make/, 'public-key'],
  [/holds no share/, 'share'],
];

/** What the program makes of a vector. */
export async function resultOf({ shares }: Pick<ShareVector, 'shares'>): Promise<ShareVector['result']> {
  let key: EscrowPrivateKey;
  try {
    key = await joinEscrowShares(shares);
  } catch (error) {
    if (!(error instanceof InvalidEscrowKey)) throw error;
    return STEPS.find(([pattern]) => pattern.test(error.message))?.[1] ?? error.message;
  }
  return { privateKey: key.secret.toString('hex'), publicKey: key.publicKey.toString('hex') };
}

if (import.meta.main) {
  const file = new URL('../vectors/keyring/shares.json', import.meta.url);
  await writeFile(file, `${JSON.stringify(await makeShareVectors(), null, 1)}\n`);
}
