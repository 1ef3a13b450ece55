/**
 * The digests that an object's attributes and part table hold, computed again from its plaintext: the MD5 behind the ETag, the MD5
 * and checksum of every part, and the object's checksums.
 */
import type { Checksum, LateAttributes } from '../../crypto/attributes.ts';
import type { PartEntry } from '../../crypto/footer.ts';
import { type ChecksumName, createHasher, type Hasher } from '../body/checksums.ts';
import { multipartMd5 } from '../multipart/checksums.ts';
import { DigestMismatch } from './verdict.ts';

/** One part's plaintext goes in after the other. */
export class DigestCheck {
  readonly #late: LateAttributes;
  /** Over the whole object. */
  readonly #whole = new Map<ChecksumName, Hasher>();
  /** Computed for each part. */
  readonly #algorithms: ReadonlySet<ChecksumName>;
  readonly #parts: Map<ChecksumName, Buffer>[] = [];
  #current: Map<ChecksumName, Hasher>;

  constructor(late: LateAttributes) {
    this.#late = late;
    for (const { algorithm, type } of late.checksums) {
      if (type === 'FULL_OBJECT' && !this.#whole.has(algorithm)) this.#whole.set(algorithm, createHasher(algorithm));
    }
    const composite = late.checksums.filter(({ type }) => type === 'COMPOSITE').map(({ algorithm }) => algorithm);
    const inTable = late.table?.checksum;
    this.#algorithms = new Set(['MD5', ...composite, ...(inTable === undefined ? [] : [inTable])]);
    this.#current = this.#hashers();
  }

  update(plaintext: Buffer): void {
    for (const hasher of this.#current.values()) hasher.update(plaintext);
    for (const hasher of this.#whole.values()) hasher.update(plaintext);
  }

  /** A part has ended. `entry`: its row in the part table, where there is one. @throws DigestMismatch */
  endPart(entry: PartEntry | undefined): void {
    const digests = new Map([...this.#current].map(([algorithm, hasher]) => [algorithm, hasher.digest()]));
    this.#parts.push(digests);
    this.#current = this.#hashers();
    if (entry === undefined) return;
    // A bucket that shows the store's own ETags has no MD5s.
    if (entry.md5 !== undefined) require(`MD5 of part ${entry.number}`, entry.md5, digests.get('MD5'));
    const algorithm = this.#late.table?.checksum;
    if (algorithm === undefined || entry.checksum === undefined) return;
    require(`${algorithm} of part ${entry.number}`, entry.checksum, digests.get(algorithm));
  }

  /** @throws DigestMismatch */
  end(): void {
    const { md5, partCount, checksums } = this.#late;
    const md5s = this.#parts.map((digests) => ({ md5: digests.get('MD5') ?? NOTHING }));
    if (md5 !== undefined) require('ETag', md5, partCount === 0 ? md5s[0]?.md5 : multipartMd5(md5s));
    const whole = new Map([...this.#whole].map(([algorithm, hasher]) => [algorithm, hasher.digest()]));
    for (const checksum of checksums) {
      const { algorithm, type, value } = checksum;
      require(`${algorithm} checksum`, value, type === 'FULL_OBJECT'
        ? whole.get(algorithm)
        : this.#composite(checksum));
    }
  }

  #composite({ algorithm }: Checksum): Buffer {
    const hasher = createHasher(algorithm);
    for (const digests of this.#parts) hasher.update(digests.get(algorithm) ?? NOTHING);
    return hasher.digest();
  }

  #hashers(): Map<ChecksumName, Hasher> {
    return new Map([...this.#algorithms].map((algorithm) => [algorithm, createHasher(algorithm)]));
  }
}

const NOTHING = Buffer.alloc(0);

function require(what: string, sealed: Buffer, computed: Buffer | undefined): void {
  if (computed === undefined || !sealed.equals(computed)) {
    throw new DigestMismatch(`The sealed ${what} is not that of the plaintext.`);
  }
}
