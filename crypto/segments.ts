/**
 * A run of segments under one key: what parts and the part table are made of (FORMAT.md section 6.2). Only `RunSealer`
 * moves a sealing counter, starting at 0 under a key derived from its own fresh salt; so a (key, nonce) pair cannot repeat.
 */
import { Buffer } from 'node:buffer';
import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject } from 'node:crypto';
import { type Dek, deriveFromDek } from './dek.ts';
import { FormatError, type FormatErrorCode } from './errors.ts';
import { SEALED_SEGMENT_BYTES, SEGMENT_BYTES, sealedRunBytes, segmentsOf, TAG_BYTES } from './layout.ts';
import { SegmentNonce } from './nonce.ts';
import { randomSalt } from './random.ts';

const OPTIONS = { authTagLength: TAG_BYTES };
/** No input has this length: an opener that refused a segment opens nothing more. */
const REFUSED = -1;

export interface RunPurpose {
  readonly dek: Dek;
  readonly label: string;
  readonly context: readonly Buffer[];
}

export class RunSealer {
  readonly salt: Buffer;
  readonly #key: KeyObject;
  readonly #nonce = new SegmentNonce(0);
  #hasStarted = false;

  constructor(purpose: RunPurpose) {
    this.salt = randomSalt();
    this.#key = runKey(purpose, this.salt);
  }

  get isFinished(): boolean {
    return this.#nonce.isFinished;
  }

  /**
   * Seals whole segments into one new buffer. Only with `last` may the length be other than a positive multiple of
   * SEGMENT_BYTES; it may be 0 only when the run is empty.
   */
  seal(plaintext: Buffer, o: { readonly last: boolean }): Buffer {
    return Buffer.concat(this.sealPieces(plaintext, o));
  }

  /** The same in new buffers that are to be sent one after the other: each segment's ciphertext, then its tag. */
  sealPieces(plaintext: Buffer, o: { readonly last: boolean }): Buffer[] {
    const isWhole = plaintext.length > 0 && plaintext.length % SEGMENT_BYTES === 0;
    const isLegal = isWhole || (o.last && (plaintext.length > 0 || !this.#hasStarted));
    if (this.isFinished) throw new Error('A finished sealer cannot seal again.');
    if (!isLegal) throw new RangeError('Only the last segment of a run may be short.');
    this.#hasStarted = true;
    const segments = segmentsOf(plaintext.length);
    const pieces: Buffer[] = [];
    for (let i = 0; i < segments; i++) {
      const nonce = this.#nonce.next(o.last && i === segments - 1);
      const cipher = createCipheriv('aes-256-gcm', this.#key, nonce, OPTIONS);
      const sealed = cipher.update(plaintext.subarray(i * SEGMENT_BYTES, (i + 1) * SEGMENT_BYTES));
      cipher.final();
      if (sealed.length > 0) pieces.push(sealed);
      pieces.push(cipher.getAuthTag());
    }
    return pieces;
  }
}

export interface RunPosition {
  readonly salt: Buffer;
  /** Authenticated size of the whole run. */
  readonly plainBytes: number;
  /** Segment at which to start; 0 when absent. */
  readonly firstSegment?: number;
}

export class RunOpener {
  readonly #key: KeyObject;
  readonly #nonce: SegmentNonce;
  readonly #error: FormatErrorCode;
  /** Sealed bytes from the next segment to the end of the run. */
  #remaining: number;

  constructor(purpose: RunPurpose, o: RunPosition & { readonly error: FormatErrorCode }) {
    const first = o.firstSegment ?? 0;
    if (first >= segmentsOf(o.plainBytes)) throw new RangeError('The run has no such segment.');
    this.#nonce = new SegmentNonce(first);
    this.#key = openingKey(purpose, o.salt);
    this.#remaining = sealedRunBytes(o.plainBytes) - first * SEALED_SEGMENT_BYTES;
    this.#error = o.error;
  }

  /** Sealed bytes of the next `segments` segments, fewer when the run ends before. */
  sealedBytes(segments: number): number {
    return Math.min(segments * SEALED_SEGMENT_BYTES, this.#remaining);
  }

  /**
   * Opens the next segments, all or none, into one new buffer.
   * @throws FormatError LENGTH_MISMATCH unless `sealed` is one or more whole segments; the run's error if one is refused.
   */
  open(sealed: Buffer): Buffer {
    return Buffer.concat(this.openPieces(sealed));
  }

  /** The same into new buffers, one for each segment. None is given out before all tags were checked. */
  openPieces(sealed: Buffer): Buffer[] {
    const reachesEnd = sealed.length === this.#remaining;
    const isWhole = sealed.length > 0 && sealed.length % SEALED_SEGMENT_BYTES === 0;
    if (this.#nonce.isFinished || !(reachesEnd || (isWhole && sealed.length < this.#remaining))) {
      throw new FormatError('LENGTH_MISMATCH');
    }
    const segments = Math.ceil(sealed.length / SEALED_SEGMENT_BYTES);
    const pieces: Buffer[] = [];
    for (let i = 0; i < segments; i++) {
      const segment = sealed.subarray(i * SEALED_SEGMENT_BYTES, (i + 1) * SEALED_SEGMENT_BYTES);
      const tagAt = segment.length - TAG_BYTES;
      const nonce = this.#nonce.next(reachesEnd && i === segments - 1);
      const decipher = createDecipheriv('aes-256-gcm', this.#key, nonce, OPTIONS);
      decipher.setAuthTag(segment.subarray(tagAt));
      pieces.push(decipher.update(segment.subarray(0, tagAt)));
      if (!isAuthentic(decipher)) {
        for (const piece of pieces) piece.fill(0);
        this.#remaining = REFUSED;
        throw new FormatError(this.#error);
      }
    }
    this.#remaining -= sealed.length;
    return pieces;
  }
}

function isAuthentic(decipher: { final(): Buffer }): boolean {
  try {
    decipher.final();
    return true;
  } catch {
    return false;
  }
}

interface OpeningKey {
  readonly purpose: RunPurpose;
  readonly salt: Buffer;
  readonly key: KeyObject;
}

/**
 * The key with which a run under a data key was last opened. It serves repeated reads of an object, or of ranges of a part, and
 * lives as long as the data key.
 */
const lastOpeningKeys = new WeakMap<Dek, OpeningKey>();

function openingKey(purpose: RunPurpose, salt: Buffer): KeyObject {
  const last = lastOpeningKeys.get(purpose.dek);
  if (last?.salt.equals(salt) && isSamePurpose(last.purpose, purpose)) return last.key;
  const key = runKey(purpose, salt);
  // The salt is copied, because its memory may be given back.
  lastOpeningKeys.set(purpose.dek, { purpose, salt: Buffer.from(salt), key });
  return key;
}

function isSamePurpose(a: RunPurpose, b: RunPurpose): boolean {
  return (
    a.label === b.label &&
    a.context.length === b.context.length &&
    a.context.every((field, i) => b.context[i]?.equals(field) === true)
  );
}

function runKey(purpose: RunPurpose, salt: Buffer): KeyObject {
  const raw = deriveFromDek(purpose.dek, { label: purpose.label, salt, context: purpose.context });
  const key = createSecretKey(raw);
  raw.fill(0);
  return key;
}
