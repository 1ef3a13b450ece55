/**
 * What verification says of one object, and which piece of a damaged one is damaged. The words and codes are those of reports
 * (docs/verify.md).
 */
import { FormatError, type FormatErrorCode } from '../../crypto/errors.ts';
import { S3Error } from '../errors.ts';
import { MalformedSealedObject } from '../object/stored-metadata.ts';
import { ForeignObject } from '../object/stored-object.ts';

export type DamagedPiece =
  | 'metadata'
  | 'header'
  | 'attributes'
  | 'footer'
  | 'part table'
  | 'body'
  | 'pad'
  | 'length'
  | 'digest';

export type Verdict =
  /** Everything that was looked at is authentic. */
  | { readonly state: 'ok'; readonly bytes: number }
  | {
      readonly state: 'damaged';
      readonly piece: DamagedPiece;
      readonly code: string;
      readonly message: string;
      readonly bytes: number;
    }
  /** Another tenant's; never encrypted; in an archive of the store; of a root key that the tenant does not have any more. */
  | { readonly state: 'foreign' | 'legacy' | 'archived' | 'no-key' };

const PIECES: Readonly<Record<Exclude<FormatErrorCode, 'UNKNOWN_EPOCH'>, DamagedPiece>> = {
  UNKNOWN_ALGORITHM: 'metadata',
  HEADER_MALFORMED: 'header',
  HEADER_REFUSED: 'header',
  ATTRIBUTES_REFUSED: 'attributes',
  ATTRIBUTES_MALFORMED: 'attributes',
  PART_HEADER_REFUSED: 'body',
  SEGMENT_REFUSED: 'body',
  LENGTH_MISMATCH: 'length',
  PAD_REFUSED: 'pad',
  LOCATOR_MALFORMED: 'footer',
  TABLE_REFUSED: 'part table',
  TABLE_MALFORMED: 'part table',
};

/** Every byte is authentic, and yet a sealed digest is not that of the plaintext: whoever sealed the object sealed a wrong one. */
export class DigestMismatch extends Error {
  readonly code = 'DIGEST_MISMATCH';
}

/** `undefined`: the error says nothing about the object. `where`: what was being read. */
export function verdictOf(error: unknown, o: { bytes: number; where: string }): Verdict | undefined {
  const cause = error instanceof S3Error ? error.cause : error;
  if (cause instanceof ForeignObject) return { state: 'foreign' };
  if (error instanceof S3Error && error.code === 'InvalidObjectState') return { state: 'archived' };
  if (cause instanceof FormatError) {
    const { code, message } = cause;
    if (code === 'UNKNOWN_EPOCH') return { state: 'no-key' };
    return damaged(PIECES[code], { code, message: `${message}${o.where}`, bytes: o.bytes });
  }
  if (cause instanceof MalformedSealedObject) {
    return damaged('metadata', { code: cause.code, message: `The object has ${cause.message}.`, bytes: o.bytes });
  }
  if (cause instanceof DigestMismatch) {
    return damaged('digest', { code: cause.code, message: cause.message, bytes: o.bytes });
  }
  return undefined;
}

function damaged(piece: DamagedPiece, o: { code: string; message: string; bytes: number }): Verdict {
  return { state: 'damaged', piece, ...o };
}
