/**
 * Test contents that can be recognised: random, so that they do not compress or repeat, with a marker in every 32 KiB, so
 * that any clear segment at the backend is found.
 */
import { createHash, randomBytes } from 'node:crypto';
import { closeSync, createReadStream, openSync, utimesSync, writeSync } from 'node:fs';

const MARKER_EVERY = 32 * 1024;
const BLOCK_BYTES = 1024 * 1024;
const LONG_AGO = new Date('2024-02-29T12:00:00Z');

export interface Digests {
  /** Lower-case hex. */
  readonly md5: string;
  readonly sha256: string;
}

/** `bytes` of content with `marker` in it, as far as it is long enough. */
export function markedContent(bytes: number, marker: string): Buffer {
  const content = randomBytes(bytes);
  for (let at = 0; at + marker.length <= bytes; at += MARKER_EVERY) content.write(marker, at, 'latin1');
  return content;
}

/**
 * The same in a file, made block by block. It is dated back: listings have whole seconds, so a tool that syncs right after the
 * file was written would take what it just sent for older, as it would on S3 itself.
 */
export function writeMarkedFile(path: string, o: { bytes: number; marker: string }): Digests {
  const file = openSync(path, 'w', 0o600);
  const hashes = { md5: createHash('md5'), sha256: createHash('sha256') };
  try {
    for (let at = 0; at < o.bytes; at += BLOCK_BYTES) {
      const block = markedContent(Math.min(BLOCK_BYTES, o.bytes - at), o.marker);
      hashes.md5.update(block);
      hashes.sha256.update(block);
      writeSync(file, block);
    }
  } finally {
    closeSync(file);
  }
  utimesSync(path, LONG_AGO, LONG_AGO);
  return { md5: hashes.md5.digest('hex'), sha256: hashes.sha256.digest('hex') };
}

export function digestsOf(content: Buffer | string): Digests {
  const hex = (algorithm: string) => createHash(algorithm).update(content).digest('hex');
  return { md5: hex('md5'), sha256: hex('sha256') };
}

export async function digestsOfFile(path: string): Promise<Digests> {
  const hashes = { md5: createHash('md5'), sha256: createHash('sha256') };
  for await (const block of createReadStream(path, { highWaterMark: BLOCK_BYTES })) {
    hashes.md5.update(block);
    hashes.sha256.update(block);
  }
  return { md5: hashes.md5.digest('hex'), sha256: hashes.sha256.digest('hex') };
}

/** The ETag of a multipart upload, without quotes: MD5 of the MD5s of parts of `partBytes`. */
export async function multipartEtag(path: string, partBytes: number): Promise<string> {
  const md5s: Buffer[] = [];
  let part = createHash('md5');
  let filled = 0;
  for await (const block of createReadStream(path, { highWaterMark: BLOCK_BYTES })) {
    for (let at = 0; at < block.length; ) {
      const piece = block.subarray(at, at + partBytes - filled);
      part.update(piece);
      filled += piece.length;
      at += piece.length;
      if (filled < partBytes) continue;
      md5s.push(part.digest());
      part = createHash('md5');
      filled = 0;
    }
  }
  if (filled > 0) md5s.push(part.digest());
  return `${createHash('md5').update(Buffer.concat(md5s)).digest('hex')}-${md5s.length}`;
}
