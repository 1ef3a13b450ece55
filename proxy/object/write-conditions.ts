/**
 * Conditions of a write, in two steps: the proxy compares the ETag that clients see, then a condition on the backend's own ETag
 * goes along, so that the backend still decides atomically. Where it cannot, the answer is NotImplemented unless a setting allows
 * best effort. An opaque ETag tells the backend's own, so the first step is left out: the object is looked at only after a 412.
 */
import { isDeniedByStore } from '../backend/errors.ts';
import { S3Error } from '../errors.ts';
import { evaluate, type WriteConditions } from './conditions.ts';
import { etagMode, type StoreContext } from './context.ts';
import { inspectObject } from './inspect-object.ts';
import type { ObjectAddress } from './stored-object.ts';

/** A condition as it goes to the backend. */
export interface StoreCondition {
  readonly headers: Readonly<Record<string, string>>;
  /**
   * After the backend's 412: headers to send in their place, once. Absent where the object was looked at before.
   * @throws S3Error PreconditionFailed, NoSuchKey, ConditionalRequestConflict: the client's answer
   */
  readonly again?: () => Promise<Readonly<Record<string, string>>>;
}

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

/**
 * @param o.onceOnly the write cannot be sent again after a 412, so an opaque ETag is not taken at its word
 * @throws S3Error PreconditionFailed, NoSuchKey, NotImplemented
 */
export async function translateConditions(
  context: StoreContext,
  address: ObjectAddress,
  conditions: WriteConditions | undefined,
  kind: WriteKind,
  o: { onceOnly?: boolean } = {},
): Promise<StoreCondition> {
  if (conditions === undefined) return { headers: {} };
  if (conditions.ifNoneMatch !== undefined) return { headers: await absent(context, address, kind) };
  const wanted = conditions.ifMatch ?? '';
  const isGuessed = kind !== 'copy' && o.onceOnly !== true && context.store.capabilities[ATOMIC[kind][1]];
  const stored = isGuessed ? await storedEtag(context, address, wanted) : undefined;
  if (stored === undefined) return { headers: await matching(context, address, wanted, kind) };
  return { headers: { 'if-match': stored }, again: () => matchingAnother(context, address, { wanted, stored, kind }) };
}

/** Writes under a condition; after a 412, once more under what `again` says. */
export async function underCondition<T>(
  { headers, again }: StoreCondition,
  write: (headers: Readonly<Record<string, string>>) => Promise<T>,
): Promise<T> {
  try {
    return await write(headers);
  } catch (error) {
    const isRefused = error instanceof S3Error && error.code === 'PreconditionFailed';
    if (!isRefused || again === undefined) throw error;
  }
  return write(await again());
}

/** The backend's ETag that an opaque one most likely is, quoted; `undefined` for what is no opaque ETag. */
async function storedEtag(
  context: StoreContext,
  { bucket }: ObjectAddress,
  wanted: string,
): Promise<string | undefined> {
  const [, etag = '', parts = ''] = /^([\w.+/=:~]+)-(\d+)$/.exec(wanted) ?? [];
  if (etag === '' || (await etagMode(context, bucket)) !== 'opaque') return undefined;
  return parts === '1' ? `"${etag}"` : `"${etag}-${parts}"`;
}

/** The object has another ETag at the backend than was guessed: its other form was named, or its upload had one part. */
async function matchingAnother(
  context: StoreContext,
  address: ObjectAddress,
  o: { wanted: string; stored: string; kind: WriteKind },
): Promise<Record<string, string>> {
  const headers = await matching(context, address, o.wanted, o.kind);
  if (headers['if-match'] !== o.stored) return headers;
  throw new S3Error('ConditionalRequestConflict');
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
  const { etag, otherEtag, facts } = found;
  if (evaluate({ ifMatch: wanted }, { etag, otherEtag, lastModified: facts.lastModified }) !== 'proceed') {
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
  if (o.conditions === undefined || o.failure.code !== 'PreconditionFailed') return o.failure;
  const { ifMatch: wanted } = o.conditions;
  const isOfAVersion = address.versionId !== undefined && address.versionId !== 'null';
  if (wanted === undefined || isOfAVersion) return namingCondition(o.failure, o.conditions);
  try {
    await matching(context, address, wanted, o.kind);
  } catch (error) {
    if (error instanceof S3Error) return error;
    throw error;
  }
  return new S3Error('ConditionalRequestConflict', undefined, { cause: o.failure });
}

/** A 412 with the condition that failed: clients branch on that element (s3fs), and MinIO leaves the element out. */
export function namingCondition(failure: S3Error, { ifNoneMatch }: WriteConditions): S3Error {
  const Condition = ifNoneMatch === undefined ? 'If-Match' : 'If-None-Match';
  return failure.with({ details: { ...failure.details, Condition } });
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
