/**
 * One attempt at a CopyObject: read the source, compare the conditions with its ETag, and copy, pinned to the version
 * that was read. When the backend reports a change in between, the caller runs another attempt.
 */
import type { LateAttributes } from '../../crypto/attributes.ts';
import { type ChecksumName, createHasher } from '../body/checksums.ts';
import { S3Error } from '../errors.ts';
import { MAX_PUT_BYTES } from '../limits.ts';
import { etagMode, type StoreContext } from './context.ts';
import { type ConditionsFor, type Copied, type CopyRequest, changesSomething } from './copy-directives.ts';
import { copyLegacy } from './copy-legacy.ts';
import { requireSourceConditions } from './copy-source.ts';
import { inspectObject } from './inspect-object.ts';
import { namingTheMissing } from './missing.ts';
import { CONDITION_KIND, chooseMove, moveStored } from './move-stored.ts';
import { readRange } from './read-object.ts';
import { reseal } from './reseal.ts';
import { type ObjectAddress, type SealedObject, type StoredObject, VersionChanged } from './stored-object.ts';
import { taggingHeaders } from './stored-tags.ts';
import { isAtomic, namingCondition, translateConditions, type WriteKind } from './write-conditions.ts';
import { writtenEtag } from './written-etag.ts';

/** The state in which the backend last refused: a second refusal in the same state is the client's answer. */
export interface Refusals {
  last: string | undefined;
}

/** @throws VersionChanged to be run again; S3Error */
export async function copyOnce(context: StoreContext, o: CopyRequest & { refusals: Refusals }): Promise<Copied> {
  const source = await inspectSource(o.sourceContext, o.source);
  requireSourceConditions(o.sourceConditions, source);
  requireCopyable(o, source);
  await o.requireTags?.(o.sourceContext, source);
  let state = '';
  const conditionsFor = async (kind: WriteKind) => {
    const conditions = await targetConditions(context, o, source, kind);
    state = JSON.stringify([source.facts.etag, source.facts.versionId, conditions]);
    return conditions;
  };
  try {
    return source.kind === 'legacy'
      ? await copyLegacy(context, source, o, conditionsFor)
      : await copySealed(context, source, o, conditionsFor);
  } catch (error) {
    throw afterRefusal(error, o, state);
  }
}

/**
 * The backend refused because of the pinned source or because of the target. After another look in the same state, only the
 * target can be the reason.
 */
function afterRefusal(error: unknown, o: CopyRequest & { refusals: Refusals }, state: string): unknown {
  if (!(error instanceof S3Error) || state === '') return error;
  const vanished = error.code === 'NoSuchVersion' || error.code === 'NoSuchKey';
  if (error.code !== 'PreconditionFailed' && !vanished) return error;
  if (o.refusals.last === state) return vanished ? error : namingTarget(error, o);
  o.refusals.last = state;
  return new VersionChanged();
}

function namingTarget(error: S3Error, { directives: { conditions } }: CopyRequest): S3Error {
  return conditions === undefined ? error : namingCondition(error, conditions);
}

async function inspectSource(context: StoreContext, address: ObjectAddress): Promise<StoredObject> {
  try {
    return await namingTheMissing(context, address, inspectObject(context, address));
  } catch (error) {
    if (!(error instanceof S3Error)) throw error;
    // A delete marker's headers describe the source, not what this request would answer with.
    if (error.code !== 'MethodNotAllowed') throw error.with({ headers: {} });
    throw new S3Error(
      'InvalidRequest',
      'The source of a copy request may not specifically refer to a delete marker by version id.',
    );
  }
}

function requireCopyable(o: CopyRequest, source: StoredObject): void {
  if (source.size > MAX_PUT_BYTES) {
    throw new S3Error(
      'InvalidRequest',
      `The specified copy source is larger than the maximum allowable size for a copy source: ${MAX_PUT_BYTES}`,
    );
  }
  const storedClass = source.facts.headers['x-amz-storage-class'] ?? 'STANDARD';
  // An object that is not sealed yet changes its encryption.
  if (isOntoItself(o) && source.kind !== 'legacy' && !changesSomething(o.directives, storedClass)) {
    throw new S3Error(
      'InvalidRequest',
      "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.",
    );
  }
}

function isOntoItself({ source, target }: CopyRequest): boolean {
  return source.versionId === undefined && source.bucket === target.bucket && source.key === target.key;
}

/** A copy onto itself also must not undo what somebody else stores meanwhile. */
async function targetConditions(
  context: StoreContext,
  o: CopyRequest,
  source: StoredObject,
  kind: WriteKind,
): Promise<Record<string, string>> {
  const { conditions } = o.directives;
  if (conditions !== undefined) return (await translateConditions(context, o.target, conditions, kind)).headers;
  const { etag } = source.facts;
  return isOntoItself(o) && isAtomic(context, kind, { ifMatch: etag }) ? { 'if-match': etag } : {};
}

async function copySealed(
  context: StoreContext,
  source: SealedObject,
  o: CopyRequest,
  conditionsFor: ConditionsFor,
): Promise<Copied> {
  const { directives, sourceContext, target } = o;
  const mode = await etagMode(context, target.bucket);
  const late = await lateAttributes(sourceContext, source, directives.checksum);
  const { headers, metadata } = directives.attributes ?? source.early;
  const resealed = await reseal(sourceContext, source, target, { headers, metadata, late });
  const move = chooseMove(context, { source, resealed, conditions: directives.conditions });
  const conditions = await conditionsFor(CONDITION_KIND[move]);
  const tagging = await taggingHeaders(sourceContext, source, directives, move);
  const moved = await moveStored(context, move, {
    source,
    sourceContext,
    target,
    resealed,
    headers: { ...directives.storage, ...tagging, ...conditions },
  });
  const etag = await writtenEtag(context, target, { mode, late, stored: moved.storedEtag });
  return { ...moved, source, etag, checksums: late.checksums, partCount: late.partCount };
}

/** S3 keeps one checksum for an object: another algorithm replaces it, computed over the whole plaintext. */
async function lateAttributes(
  context: StoreContext,
  source: SealedObject,
  wanted: ChecksumName | undefined,
): Promise<LateAttributes> {
  const has = source.late.checksums.some(({ algorithm, type }) => algorithm === wanted && type === 'FULL_OBJECT');
  if (wanted === undefined || has) return source.late;
  const hasher = createHasher(wanted);
  const plaintext = await readRange(context, source, { start: 0, end: source.size });
  for await (const piece of plaintext) hasher.update(piece);
  return { ...source.late, checksums: [{ algorithm: wanted, type: 'FULL_OBJECT', value: hasher.digest() }] };
}
