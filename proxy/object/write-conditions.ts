/**
 * Conditions of a write, in two steps: the proxy compares the plaintext ETag, then a condition on the backend's own ETag goes
 * along, so that the backend still decides atomically. Where it cannot, the answer is NotImplemented unless a setting allows
 * best effort.
 */
import { isDeniedByStore } from '../backend/errors.ts';
import { S3Error } from '../errors.ts';
import { evaluate, type WriteConditions } from './conditions.ts';
import type { StoreContext } from './context.ts';
import { inspectObject } from './inspect-object.ts';
import type { ObjectAddress } from './stored-object.ts';

export type WriteKind = 'put' | 'delete' | 'complete' | 'copy';

/** Which probed capability makes a condition atomic, for If-None-Match and for If-Match. */
const ATOMIC = {
  put: ['conditionalPut', 'conditionalPutIfMatch'],
  delete: ['conditionalDelete', 'conditionalDelete'],
  complete: ['conditionalComplete', 'conditionalComplete'],
  copy: ['conditionalCopy', 'conditionalCopy'],
} as const;

/** Whether the backend compares the target atomically in that kind of write. */
export function isAtomic(context: StoreContext, kind: WriteKind, conditions: WriteConditions): boolean {
  return context.store.capabilities[ATOMIC[kind][conditions.ifNoneMatch === undefined ? 1 : 0]];
}

/** Backend request headers that hold the condition. @throws S3Error PreconditionFailed, NoSuchKey, NotImplemented */
export async function translateConditions(
  context: StoreContext,
  address: ObjectAddress,
  conditions: WriteConditions | undefined,
  kind: WriteKind,
): Promise<Record<string, string>> {
  if (conditions === undefined) return {};
  if (conditions.ifNoneMatch !== undefined) return absent(context, address, kind);
  return matching(context, address, conditions.ifMatch ?? '', kind);
}

async function absent(context: StoreContext, address: ObjectAddress, kind: WriteKind): Promise<Record<string, string>> {
  if (context.store.capabilities[ATOMIC[kind][0]]) return { 'if-none-match': '*' };
  requireBestEffort(context, `If-None-Match on a ${kind}`);
  if (await exists(context, address)) {
    throw new S3Error('PreconditionFailed', undefined, { details: { Condition: 'If-None-Match' } });
  }
  return {};
}

async function matching(
  context: StoreContext,
  address: ObjectAddress,
  wanted: string,
  kind: WriteKind,
): Promise<Record<string, string>> {
  const atomic = context.store.capabilities[ATOMIC[kind][1]];
  if (!atomic) requireBestEffort(context, `If-Match on a ${kind}`);
  const found = await inspectObject(context, address);
  const { lastModified } = found.facts;
  if (evaluate({ ifMatch: wanted }, { etag: found.etag, lastModified }) !== 'proceed') {
    throw new S3Error('PreconditionFailed', undefined, { details: { Condition: 'If-Match' } });
  }
  return atomic ? { 'if-match': found.facts.etag } : {};
}

/**
 * The error for a write that the backend refused. A 412 after the plaintext ETag had matched means that the stored version
 * changed in between. So the condition is evaluated once more. If it fails now, that is the client's answer. If it still holds,
 * as after a change of metadata alone, the answer is a conflict, which the client may try again, as in S3. A named version
 * never changes: a store that refuses one compares the current version instead, as S3 does.
 */
export async function lateFailure(
  context: StoreContext,
  address: ObjectAddress,
  o: { conditions: WriteConditions | undefined; kind: WriteKind; failure: S3Error },
): Promise<S3Error> {
  const wanted = o.conditions?.ifMatch;
  if (wanted === undefined || o.failure.code !== 'PreconditionFailed') return o.failure;
  if (address.versionId !== undefined && address.versionId !== 'null') return o.failure;
  try {
    await matching(context, address, wanted, o.kind);
  } catch (error) {
    if (error instanceof S3Error) return error;
    throw error;
  }
  return new S3Error('ConditionalRequestConflict', undefined, { cause: o.failure });
}

async function exists(context: StoreContext, address: ObjectAddress): Promise<boolean> {
  try {
    await inspectObject(context, address);
    return true;
  } catch (error) {
    if (error instanceof S3Error && error.status === 404) return false;
    if (isDeniedByStore(error)) throw error;
    // An object that cannot be opened is there all the same.
    if (error instanceof S3Error && (error.code === 'AccessDenied' || error.code === 'InternalError')) return true;
    throw error;
  }
}

function requireBestEffort(context: StoreContext, what: string): void {
  if (context.store.bestEffortConditions) return;
  throw new S3Error(
    'NotImplemented',
    `The backend cannot decide ${what} atomically. Set SEALGATE_CONDITIONS=best-effort to check without atomicity.`,
  );
}
