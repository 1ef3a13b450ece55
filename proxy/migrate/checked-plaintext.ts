/**
 * The plaintext of a plain object on its way into a sealed one. It is compared with the ETag and the checksums that the store keeps,
 * part by part, before its last bytes are released, so what a store damaged is never sealed as if it were whole.
 */
import { createHash, type Hash } from 'node:crypto';
import { type ChecksumName, createHasher, type Hasher } from '../body/checksums.ts';
import { multipartMd5 } from '../multipart/checksums.ts';
import type { BackendFacts } from '../object/stored-object.ts';
import { checksumsOf, md5Etag, type StoreChecksum } from './store-facts.ts';

/** The bytes that the store gave are not those that it was given. */
export class PlaintextMismatch extends Error {
  readonly code = 'PLAINTEXT_MISMATCH';
  /** The boundaries of parts were guessed, and may be the reason. */
  wasGuessed = false;
}

export interface PartDigests {
  readonly size: number;
  readonly md5: Buffer;
  readonly checksum: Buffer | undefined;
}

export class CheckedPlaintext {
  /** Those that the store keeps. */
  readonly checksums: readonly StoreChecksum[];
  /** Of every part. */
  readonly partAlgorithm: ChecksumName | undefined;
  readonly parts: PartDigests[] = [];
  readonly #facts: BackendFacts;
  readonly #whole: Map<ChecksumName, Hasher>;
  #md5: Hash;
  #checksum: Hasher | undefined;
  #bytes = 0;
  #isConfirmed = false;

  constructor(facts: BackendFacts) {
    this.#facts = facts;
    this.checksums = checksumsOf(facts.headers);
    this.partAlgorithm = this.checksums[0]?.algorithm;
    const whole = this.checksums.filter(({ type }) => type === 'FULL_OBJECT');
    this.#whole = new Map(whole.map(({ algorithm }) => [algorithm, createHasher(algorithm)]));
    this.#md5 = createHash('md5');
    this.#checksum = this.#hasher();
  }

  update(piece: Buffer): void {
    this.#bytes += piece.length;
    this.#md5.update(piece);
    this.#checksum?.update(piece);
    for (const hasher of this.#whole.values()) hasher.update(piece);
  }

  endPart(): void {
    this.parts.push({ size: this.#bytes, md5: this.#md5.digest(), checksum: this.#checksum?.digest() });
    this.#bytes = 0;
    this.#md5 = createHash('md5');
    this.#checksum = this.#hasher();
  }

  /** Whether the ETag or a checksum has confirmed the bytes. */
  get isConfirmed(): boolean {
    return this.#isConfirmed;
  }

  /** MD5 of the one part, or of the parts' MD5s where they end as the store's do. */
  md5(o: { ofParts: boolean }): Buffer {
    const [only] = this.parts;
    const md5 = o.ofParts ? multipartMd5(this.parts) : only?.md5;
    if (md5 === undefined) throw new Error('The plaintext has not ended.');
    return md5;
  }

  /** @param o.boundaries the parts end where those of the store's object do @throws PlaintextMismatch */
  verify(o: { boundaries: boolean }): void {
    for (const checksum of this.checksums) {
      const computed = this.#computed(checksum, o);
      if (computed === undefined) continue;
      if (!computed.equals(checksum.value))
        throw new PlaintextMismatch(`its ${checksum.algorithm} checksum is another`);
      this.#isConfirmed = true;
    }
    const etag = md5Etag(this.#facts);
    if (etag === undefined || (etag.parts > 0 && !o.boundaries)) return;
    const md5 = this.md5({ ofParts: etag.parts > 0 });
    if (md5.toString('hex') !== etag.hex) throw new PlaintextMismatch('its ETag is another');
    this.#isConfirmed = true;
  }

  #computed({ algorithm, type }: StoreChecksum, o: { boundaries: boolean }): Buffer | undefined {
    if (type === 'FULL_OBJECT') return this.#whole.get(algorithm)?.digest();
    if (!o.boundaries || algorithm !== this.partAlgorithm) return undefined;
    const hasher = createHasher(algorithm);
    for (const { checksum } of this.parts) if (checksum !== undefined) hasher.update(checksum);
    return hasher.digest();
  }

  #hasher(): Hasher | undefined {
    return this.partAlgorithm === undefined ? undefined : createHasher(this.partAlgorithm);
  }
}
