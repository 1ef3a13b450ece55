/**
 * The part of the floor that is cryptography, in a process of its own: AES-256-GCM in segments of 64 KiB, and the digests,
 * over bytes in memory. Answers each message with seconds of processor time for each GiB.
 */

import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import { GiB } from '../helpers/bytes.ts';

const SEGMENT_BYTES = 64 * 1024;
const ROUND_BYTES = 256 * 1024 * 1024;

export interface CryptoFloor {
  /** Seconds of processor time for each GiB. */
  readonly seal: number;
  readonly open: number;
  readonly md5: number;
  readonly sha256: number;
}

const key = randomBytes(32);
const segment = randomBytes(SEGMENT_BYTES);
const nonce = Buffer.alloc(12);
const first = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: 16 });
const sealed = { text: Buffer.concat([first.update(segment), first.final()]), tag: first.getAuthTag() };

function secondsPerGiB(work: (segments: number) => void): number {
  const before = process.cpuUsage();
  work(ROUND_BYTES / SEGMENT_BYTES);
  const { user, system } = process.cpuUsage(before);
  return ((user + system) / 1e6) * (GiB / ROUND_BYTES);
}

function seal(segments: number): void {
  for (let i = 0; i < segments; i++) {
    nonce.writeUInt32BE(i, 0);
    const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: 16 });
    cipher.update(segment);
    cipher.final();
    cipher.getAuthTag();
  }
}

function open(segments: number): void {
  const zero = Buffer.alloc(12);
  for (let i = 0; i < segments; i++) {
    const decipher = createDecipheriv('aes-256-gcm', key, zero, { authTagLength: 16 });
    decipher.setAuthTag(sealed.tag);
    decipher.update(sealed.text);
    decipher.final();
  }
}

function digest(algorithm: string): (segments: number) => void {
  return (segments) => {
    const hash = createHash(algorithm);
    for (let i = 0; i < segments; i++) hash.update(segment);
    hash.digest();
  };
}

process.once('disconnect', () => process.exit(0));
process.on('message', () => {
  const floor: CryptoFloor = {
    seal: secondsPerGiB(seal),
    open: secondsPerGiB(open),
    md5: secondsPerGiB(digest('md5')),
    sha256: secondsPerGiB(digest('sha256')),
  };
  process.send?.(floor);
});
