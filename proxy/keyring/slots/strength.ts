/**
 * Whether an API key that somebody brings along may protect data. Any signature made with it that is seen, in a log or on a
 * wire, lets its finder try guesses at the speed of HMAC, on hardware of their own, whatever KDF the slot has. So the bar is
 * that of a key and not of a password: 2^80 guesses by zxcvbn's estimate, which takes random text for weaker than it is.
 */

import { SAMPLE_SECRETS } from '../../config/sample-secrets.ts';
import { MAX_ESTIMATED_CHARACTERS, MIN_IMPORTED_CHARACTERS, MIN_IMPORTED_GUESS_BITS } from '../../limits.ts';

/** The key is refused. The message says why, and holds nothing of it. */
export class WeakApiKey extends Error {
  readonly code = 'WEAK_API_KEY';
  constructor(reason: string) {
    super(
      `This API key is refused: ${reason}. Whoever sees one request that it signed can try billions of guesses a second, ` +
        'whatever the key derivation function. Let Sealgate make a key instead.',
    );
    this.name = 'WeakApiKey';
  }
}

/** @throws WeakApiKey */
export async function refuseWeakKey(secretAccessKey: string): Promise<void> {
  if (isSample(secretAccessKey)) throw new WeakApiKey('it is a well-known sample');
  const characters = [...secretAccessKey].length;
  if (characters < MIN_IMPORTED_CHARACTERS) {
    throw new WeakApiKey(`it has ${characters} characters, and at least ${MIN_IMPORTED_CHARACTERS} are needed`);
  }
  const bits = Math.floor(await guessBits(secretAccessKey.slice(0, MAX_ESTIMATED_CHARACTERS)));
  if (bits < MIN_IMPORTED_GUESS_BITS) {
    throw new WeakApiKey(
      `it is estimated to fall to 2^${bits} guesses, and 2^${MIN_IMPORTED_GUESS_BITS} are needed ` +
        '(25 random letters and digits have them)',
    );
  }
}

/** Letter case and what stands around it change nothing about a sample. */
function isSample(secret: string): boolean {
  const folded = fold(secret);
  return [...SAMPLE_SECRETS].some(
    (sample) => folded === fold(sample) || (sample.length >= 16 && folded.includes(fold(sample))),
  );
}

function fold(text: string): string {
  return text.toLowerCase().replace(/[\s"']/g, '');
}

/** Loaded on use: the word lists take half a second and some megabytes, and no server needs them. */
async function guessBits(secret: string): Promise<number> {
  const [{ ZxcvbnFactory }, { adjacencyGraphs, dictionary }] = await Promise.all([
    import('@zxcvbn-ts/core'),
    import('@zxcvbn-ts/language-common'),
  ]);
  const { guessesLog10 } = new ZxcvbnFactory({ dictionary, graphs: adjacencyGraphs }).check(secret);
  return guessesLog10 * Math.log2(10);
}
