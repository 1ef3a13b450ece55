/**
 * Looks for what must not be readable: plaintext, digests of plaintext, API keys and whole access key ids, in everything
 * that the store holds and that the program printed (seen elsewhere: derived keys parked elsewhere, plaintext digests in metadata).
 */
import type { Digests } from './plaintext.ts';
import type { Exposed } from './store-under-test.ts';

/** An embedded store's index is searched whole as long as it is below twice this. */
const END_BYTES = 16 * 1024 * 1024;

export interface Secret {
  /** What it is; printed when it is found, so never the secret itself. */
  readonly name: string;
  readonly bytes: Buffer;
  /** There are many of these, and they could only stand beside content: in large places the two ends are searched for them. */
  readonly isDigest?: boolean;
}

export interface Finding {
  readonly secret: string;
  readonly where: string;
}

export interface ScanResult {
  readonly findings: readonly Finding[];
  readonly places: number;
  readonly bytes: number;
}

/** A text, and its bytes as a key in the encodings that a program might use. */
export function secretsOfKey(name: string, key: string): readonly Secret[] {
  const raw = Buffer.from(key, 'base64url');
  return [
    { name, bytes: Buffer.from(key) },
    { name: `${name}, raw`, bytes: raw },
    { name: `${name}, hex`, bytes: Buffer.from(raw.toString('hex')) },
    { name: `${name}, base64`, bytes: base64(raw) },
    { name: `${name}, as base64`, bytes: base64(Buffer.from(key)) },
  ];
}

export function secretsOfText(name: string, text: string): readonly Secret[] {
  return [
    { name, bytes: Buffer.from(text) },
    { name: `${name}, hex`, bytes: Buffer.from(Buffer.from(text).toString('hex')) },
  ];
}

export function secretsOfDigests(name: string, digests: Digests): readonly Secret[] {
  return Object.entries(digests).flatMap(([algorithm, hex]) => {
    const raw = Buffer.from(hex, 'hex');
    return [
      { name: `${algorithm} of ${name}`, bytes: raw, isDigest: true },
      { name: `${algorithm} of ${name}, hex`, bytes: Buffer.from(hex), isDigest: true },
      { name: `${algorithm} of ${name}, base64`, bytes: base64(raw), isDigest: true },
    ];
  });
}

/** Where each secret occurs. */
export async function findSecrets(places: AsyncIterable<Exposed>, secrets: readonly Secret[]): Promise<ScanResult> {
  const findings: Finding[] = [];
  let scanned = 0;
  let bytes = 0;
  for await (const { where, content } of places) {
    scanned++;
    bytes += content.length;
    const ends = endsOf(content);
    for (const { name, bytes: needle, isDigest } of secrets) {
      if ((isDigest === true ? ends : content).includes(needle)) findings.push({ secret: name, where });
    }
  }
  return { findings, places: scanned, bytes };
}

function endsOf(content: Buffer): Buffer {
  if (content.length <= 2 * END_BYTES) return content;
  return Buffer.concat([content.subarray(0, END_BYTES), content.subarray(-END_BYTES)]);
}

/** Without the padding, which may be cut off where it stands. */
const base64 = (raw: Buffer): Buffer => Buffer.from(raw.toString('base64').replace(/=+$/, ''));
