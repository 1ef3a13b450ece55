/** Version ids: opaque to clients; their first bytes are the version's place among all, so that listings can resume. */
import { randomBytes } from 'node:crypto';

export const NULL_VERSION = 'null';
const SEQUENCE_BYTES = 6;
const RANDOM_BYTES = 18;

export function newVersionId(sequence: number): string {
  const bytes = Buffer.concat([Buffer.alloc(SEQUENCE_BYTES), randomBytes(RANDOM_BYTES)]);
  bytes.writeUIntBE(sequence, 0, SEQUENCE_BYTES);
  return bytes.toString('base64url');
}

/** The row id that the version had; undefined for the null version. */
export function versionSequence(versionId: string): number | undefined {
  if (versionId === NULL_VERSION) return undefined;
  return Buffer.from(versionId, 'base64url').readUIntBE(0, SEQUENCE_BYTES);
}

export function isVersionId(text: string): boolean {
  return text === NULL_VERSION || /^[A-Za-z0-9_-]{32}$/.test(text);
}
