/** What became of one object of a migration, in the words of its report (docs/migrate.md). */
import { FormatError } from '../../crypto/errors.ts';
import { isDeniedByStore } from '../backend/errors.ts';
import { failureText } from '../backend/trouble/explain-store-failure.ts';
import { S3Error } from '../errors.ts';
import { MalformedSealedObject } from '../object/stored-metadata.ts';
import { ForeignObject, VersionChanged } from '../object/stored-object.ts';
import { PlaintextMismatch } from './checked-plaintext.ts';
import { NotCarriedOver } from './kept-settings.ts';

export type MigrateState =
  /** Rewritten, and its ETag is the one that clients know. */
  | 'encrypted'
  | 'decrypted'
  /** In another place, the same. */
  | 'copied'
  /** Rewritten, and clients see another ETag. */
  | 'etag-changed'
  /** As it should be before anything was done. */
  | 'already'
  | 'foreign'
  | 'archived'
  /** An older version in plain text: left, deleted, or kept by a lock. */
  | 'plaintext-version'
  | 'purged'
  | 'kept-by-lock'
  | 'older-version'
  /** Not those bytes that the store was given, or that were sealed. */
  | 'damaged'
  | 'failed'
  /** Of a dry run. */
  | 'would-encrypt'
  | 'would-decrypt';

export interface Outcome {
  readonly state: MigrateState;
  readonly bytes: number;
  readonly message: string;
  readonly errorCode: string;
  readonly httpStatus: number;
  /** When an older version in plain text was written. */
  readonly written?: Date | undefined;
}

export function outcome(state: MigrateState, o: Partial<Outcome> = {}): Outcome {
  return { state, bytes: 0, message: '', errorCode: '', httpStatus: 200, ...o };
}

/** States in which something is left to do or to look at. */
export const UNDONE: ReadonlySet<string> = new Set<MigrateState>(['archived', 'kept-by-lock', 'damaged', 'failed']);

/** `again`: somebody replaced the object meanwhile. `undefined`: not about this object. */
export function outcomeOf(error: unknown): Outcome | 'again' | undefined {
  const cause = error instanceof S3Error ? error.cause : error;
  if (error instanceof VersionChanged) return 'again';
  if (error instanceof PlaintextMismatch) {
    const message = `The store gave other bytes than it was given: ${error.message}.`;
    return outcome('damaged', { message, errorCode: error.code, httpStatus: 500 });
  }
  if (cause instanceof ForeignObject) return outcome('foreign', { httpStatus: 403 });
  if (cause instanceof FormatError || cause instanceof MalformedSealedObject) {
    return outcome('damaged', { message: cause.message, errorCode: cause.code, httpStatus: 500 });
  }
  if (error instanceof NotCarriedOver) {
    const message = `It was rewritten, and what was set on the version before at that moment may be missing. ${error.message}`;
    return outcome('failed', { message, errorCode: 'ServiceUnavailable', httpStatus: 503 });
  }
  if (!(error instanceof S3Error)) return undefined;
  if (REPLACED.has(error.code)) return 'again';
  if (error.code === 'InvalidObjectState') return archived();
  if (error.code === 'BadDigest')
    return outcome('damaged', { message: error.message, errorCode: error.code, httpStatus: 500 });
  if ((error.status >= 500 && error.code !== 'NotImplemented') || error.code === 'SlowDown' || isDeniedByStore(error))
    return undefined;
  return outcome('failed', { message: failureText(error), errorCode: error.code, httpStatus: error.status });
}

export function archived(): Outcome {
  return outcome('archived', { errorCode: 'InvalidObjectState', httpStatus: 403, message: 'restore it first' });
}

/** What a store answers when the object is not the one that was read any more. */
const REPLACED: ReadonlySet<string> = new Set([
  'PreconditionFailed',
  'ConditionalRequestConflict',
  'NoSuchKey',
  'NoSuchVersion',
  'NoSuchUpload',
  'MethodNotAllowed',
]);
