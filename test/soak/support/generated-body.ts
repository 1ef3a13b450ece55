/** Bodies of any length without a file: the same bytes for the same seed, made on the fly, with their digest beside them. */
import { createCipheriv, createHash, type Hash } from 'node:crypto';

const PIECE_BYTES = 1024 * 1024;
const ZEROS = Buffer.alloc(PIECE_BYTES);

/** AES-CTR of zeros under the seed: as fast as a body must be made, and no two pieces alike. */
export function* generatedBody(seed: string, bytes: number): Generator<Buffer> {
  const key = createHash('sha256').update(seed).digest();
  const stream = createCipheriv('aes-256-ctr', key, Buffer.alloc(16));
  for (let at = 0; at < bytes; at += PIECE_BYTES)
    yield stream.update(ZEROS.subarray(0, Math.min(PIECE_BYTES, bytes - at)));
}

/** Lower-case hex. */
export function sha256Of(pieces: Iterable<Buffer>): string {
  const hash = createHash('sha256');
  for (const piece of pieces) hash.update(piece);
  return hash.digest('hex');
}

/** Of a body as it is sent, so that it is made once. */
export function* hashed(pieces: Iterable<Buffer>, hashes: readonly Hash[]): Generator<Buffer> {
  for (const piece of pieces) {
    for (const hash of hashes) hash.update(piece);
    yield piece;
  }
}
