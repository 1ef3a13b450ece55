/**
 * The chain of signatures over a body in chunks: each chunk is signed together with the signature before it, the first with
 * the request's own, and the trailer last. A chunk that is dropped, repeated, moved or changed breaks the chain.
 *
 * Source: AWS documentation, "Transferring Payload in Multiple Chunks" and "Including Trailing Headers".
 */
import { Buffer } from 'node:buffer';
import { hash, type KeyObject } from 'node:crypto';
import { signatureMismatch } from './errors.ts';
import { sameSignature, sign } from './signing-key.ts';
import { type CredentialScope, chunkStringToSign, trailerStringToSign } from './string-to-sign.ts';

export class ChunkChain {
  readonly #key: KeyObject;
  readonly #date: string;
  readonly #scope: CredentialScope;
  #previous: string;

  /** `seed` is the verified signature of the request, in hex; `date` is `YYYYMMDD'T'HHMMSS'Z'`. */
  constructor(o: { key: KeyObject; date: string; scope: CredentialScope; seed: string }) {
    this.#key = o.key;
    this.#date = o.date;
    this.#scope = o.scope;
    this.#previous = o.seed;
  }

  /**
   * Checks the next chunk; the final, empty one too.
   * @throws SigV4Error SignatureDoesNotMatch. The chain does not move then.
   */
  verifyChunk(dataSha256Hex: string, signature: string): void {
    this.#verify(chunkStringToSign(this.#link(dataSha256Hex)), signature);
  }

  /**
   * Checks the trailer, after the final chunk.
   * @param canonicalTrailer `name:value\n` for each field, names in lower case, values trimmed
   * @throws SigV4Error SignatureDoesNotMatch.
   */
  verifyTrailer(canonicalTrailer: Buffer | string, signature: string): void {
    const bytes = typeof canonicalTrailer === 'string' ? Buffer.from(canonicalTrailer, 'latin1') : canonicalTrailer;
    this.#verify(trailerStringToSign(this.#link(hash('sha256', bytes, 'hex'))), signature);
  }

  #link(sha256: string) {
    return { date: this.#date, scope: this.#scope, previous: this.#previous, sha256 };
  }

  #verify(stringToSign: string, signature: string): void {
    const expected = sign(this.#key, stringToSign);
    if (!sameSignature(expected, signature)) throw signatureMismatch();
    this.#previous = expected;
  }
}
