/**
 * An opened object as plain JSON, in the form that the vectors and decode.py use: bytes in hexadecimal, byte strings with
 * one character per byte.
 */
import type { OpenedObject } from './object.ts';

export function describeObject({ attributes, parts }: OpenedObject) {
  const { early, late, size } = attributes;
  return {
    size,
    etag: late.md5 === undefined ? null : late.md5.toString('hex') + (late.partCount === 0 ? '' : `-${late.partCount}`),
    headers: early.headers,
    metadata: early.metadata,
    checksums: late.checksums.map(({ algorithm, type, value }) => [algorithm, type, value.toString('hex')]),
    fingerprint: late.uploadFingerprint?.toString('hex') ?? null,
    parts: parts.map((part) => [
      part.number,
      part.size,
      part.md5?.toString('hex') ?? null,
      part.checksum?.toString('hex') ?? null,
    ]),
  };
}
