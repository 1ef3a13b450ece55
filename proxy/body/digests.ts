/**
 * The digests of a body's plaintext, and the comparison with what the client promised.
 *
 * Source: Amazon S3 user guide, "Checking object integrity": Content-MD5, x-amz-content-sha256 and at most one
 * x-amz-checksum-*, in a header or in the trailer.
 */
import { timingSafeEqual } from 'node:crypto';
import { S3Error } from '../errors.ts';
import { type ChecksumName, checksumHeader, createHasher, decodeChecksum, type Hasher } from './checksums.ts';
import type { BodyExpectations } from './expectations.ts';
import type { Trailer } from './trailer.ts';

export interface BodyResult {
  /** MD5 of the plaintext, 16 bytes. Absent unless the client promised it or the caller asked for it. */
  readonly md5: Buffer | undefined;
  /** The checksum that the client sent or asked for, followed by those that the caller asked for. Raw bytes. */
  readonly checksums: readonly { readonly algorithm: ChecksumName; readonly value: Buffer }[];
}

/** Computes every wanted digest of the plaintext, each of them once. */
export class Digests {
  readonly #expected: BodyExpectations;
  #md5: Hasher | undefined;
  #wantsMd5 = false;
  /** In the order in which they are reported. */
  readonly #reported = new Set<ChecksumName>();
  readonly #hashers = new Map<ChecksumName, Hasher>();

  constructor(expected: BodyExpectations) {
    this.#expected = expected;
    const asked = expected.checksum?.algorithm ?? expected.computeOnly;
    if (asked !== undefined) this.report(asked);
    if (expected.sha256Hex !== undefined) this.#want('SHA256');
    if (expected.contentMd5 !== undefined) this.wantMd5();
  }

  /** Adds a checksum to the result. Call it before the first `update`. */
  report(algorithm: ChecksumName): void {
    this.#reported.add(algorithm);
    this.#want(algorithm);
  }

  /** The algorithms asked for so far. */
  get reported(): readonly ChecksumName[] {
    return [...this.#reported];
  }

  #want(algorithm: ChecksumName): void {
    if (algorithm === 'MD5') this.wantMd5();
    else if (!this.#hashers.has(algorithm)) this.#hashers.set(algorithm, createHasher(algorithm));
  }

  /** Has the result hold the MD5, for an ETag. Call it before the first `update`. */
  wantMd5(): void {
    if (this.#wantsMd5) return;
    this.#wantsMd5 = true;
    this.#md5 = createHasher('MD5');
  }

  get wantsMd5(): boolean {
    return this.#wantsMd5;
  }

  /** Leaves a wanted MD5 to another, which gives its value to `verify`. Call it before the first `update`. */
  leaveMd5(): void {
    this.#md5 = undefined;
  }

  update(data: Buffer): void {
    this.#md5?.update(data);
    for (const hasher of this.#hashers.values()) hasher.update(data);
  }

  /**
   * @param computedMd5 exactly when it was left to another. @throws S3Error for the first promise that does not hold.
   */
  verify(trailer: Trailer, computedMd5?: Buffer): BodyResult {
    const { contentMd5, checksum, sha256Hex } = this.#expected;
    const md5 = this.#md5?.digest() ?? computedMd5;
    if (this.#wantsMd5 && md5 === undefined) throw new Error('The MD5 was left to another, who does not give it.');
    const values = new Map([...this.#hashers].map(([algorithm, hasher]) => [algorithm, hasher.digest()]));
    const digestOf = (algorithm: ChecksumName): Buffer => {
      const value = algorithm === 'MD5' ? md5 : values.get(algorithm);
      if (value === undefined) throw new Error(`No hasher was made for ${algorithm}.`);
      return value;
    };
    if (sha256Hex !== undefined) verifySha256(sha256Hex, digestOf('SHA256'));
    if (contentMd5 !== undefined && !timingSafeEqual(contentMd5, digestOf('MD5'))) {
      throw new S3Error('BadDigest', 'The Content-MD5 you specified did not match what we received.');
    }
    const fromTrailer = trailerChecksum(trailer, checksum);
    if (checksum !== undefined) {
      const promised = checksum.value === 'trailer' ? fromTrailer : checksum.value;
      if (promised === undefined || !timingSafeEqual(promised, digestOf(checksum.algorithm))) {
        throw new S3Error(
          'BadDigest',
          `The ${checksum.algorithm} you specified did not match the calculated checksum.`,
        );
      }
    }
    return { md5, checksums: [...this.#reported].map((algorithm) => ({ algorithm, value: digestOf(algorithm) })) };
  }
}

function verifySha256(hex: string, computed: Buffer): void {
  if (timingSafeEqual(Buffer.from(hex, 'hex'), computed)) return;
  throw new S3Error('XAmzContentSHA256Mismatch', undefined, {
    details: { ClientComputedContentSHA256: hex, S3ComputedContentSHA256: computed.toString('hex') },
  });
}

/** Checks that the trailer holds the announced checksum and nothing else. */
function trailerChecksum(trailer: Trailer, checksum: BodyExpectations['checksum']): Buffer | undefined {
  const announced = checksum?.value === 'trailer' ? checksum.algorithm : undefined;
  const name = announced === undefined ? undefined : checksumHeader(announced);
  if ([...trailer.keys()].some((field) => field !== name)) throw new S3Error('MalformedTrailerError');
  if (announced === undefined || name === undefined) return undefined;
  const text = trailer.get(name);
  if (text === undefined) throw new S3Error('MalformedTrailerError');
  const value = decodeChecksum(announced, text);
  if (value === undefined) throw new S3Error('InvalidRequest', `Value for ${name} trailing header is invalid.`);
  return value;
}
