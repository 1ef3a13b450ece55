/**
 * One object re-wrapped where it is: a copy onto itself that replaces its metadata. Size, plaintext ETag, checksums, content
 * headers and user metadata are sealed again unchanged; tags, class, locks and grants are named again; the stored body keeps
 * its bytes.
 *
 * What somebody else stores meanwhile must win. The metadata are read immediately before, the copy is pinned to the ETag that
 * was read, and where the store can, the write itself is conditional on it. See docs/rotation.md, "Beside running servers",
 * for what remains on stores that cannot.
 */
import { FormatError } from '../../crypto/errors.ts';
import { BackendUnavailable } from '../backend/backend.ts';
import { isDeniedByStore } from '../backend/errors.ts';
import { discard, readBody } from '../backend/read-body.ts';
import { failureText } from '../backend/trouble/explain-store-failure.ts';
import { S3Error } from '../errors.ts';
import { MIN_PART_BYTES, REWRAP_ATTEMPTS } from '../limits.ts';
import { isArchived } from '../object/archived.ts';
import type { StoreContext } from '../object/context.ts';
import { copyInParts, type Move, type MoveSource, moveStored } from '../object/move-stored.ts';
import { factsOf, failureOf } from '../object/object-request.ts';
import { fetchStretch } from '../object/read-object.ts';
import { MalformedSealedObject, toBackendHeaders } from '../object/stored-metadata.ts';
import { type ObjectAddress, VersionChanged } from '../object/stored-object.ts';
import { tagsOf } from '../object/stored-tags.ts';
import { isAtomic } from '../object/write-conditions.ts';
import { keptHeaders, type ObjectAcls } from './kept-headers.ts';
import { rewrapHeader } from './rewrap-header.ts';
import { storedEpoch } from './stored-epoch.ts';

/**
 * `current`: nothing to do. `foreign`: another tenant's. `gone`: deleted meanwhile. `archived`: has to be restored first.
 * `failed`: does not open, or the store refuses.
 */
export type RewrapOutcome =
  | { readonly kind: 'rewrapped'; readonly supersededVersion: string | undefined }
  | { readonly kind: 'current' | 'foreign' | 'legacy' | 'gone' | 'archived' }
  | { readonly kind: 'failed'; readonly reason: string };

export interface RewrapOptions {
  readonly acls: ObjectAcls;
  /** Largest object that one CopyObject takes, bytes as stored. Longer ones are copied in parts. */
  readonly copyLimit: number;
  /** Largest part of those. */
  readonly partBytes: number;
}

/** @throws BackendUnavailable, S3Error ServiceUnavailable or SlowDown when the store is out of order */
export async function rewrapObject(
  context: StoreContext,
  address: ObjectAddress,
  o: RewrapOptions,
): Promise<RewrapOutcome> {
  for (let left = REWRAP_ATTEMPTS; left > 0; left -= 1) {
    try {
      return await attempt(context, address, o);
    } catch (error) {
      const outcome = outcomeOf(error);
      if (outcome === undefined) throw error;
      if (outcome !== 'again') return outcome;
    }
  }
  return { kind: 'failed', reason: 'it was replaced at every attempt' };
}

async function attempt(context: StoreContext, address: ObjectAddress, o: RewrapOptions): Promise<RewrapOutcome> {
  const { bucket, key } = address;
  const { tenant, store, signal } = context;
  const response = await store.backend.send({ method: 'HEAD', bucket, key, signal });
  discard(response);
  // 405: a delete marker was put on top of it.
  if (response.status === 404 || response.status === 405) return { kind: 'gone' };
  if (response.status !== 200) throw await failureOf(response, { operation: 'HeadObject', bucket, key });
  const facts = factsOf(response.headers);
  const stored = storedEpoch(facts.headers);
  if (stored.kind === 'legacy') return stored;
  if (stored.tenant !== tenant.id) return { kind: 'foreign' };
  if (stored.epoch === tenant.epoch) return { kind: 'current' };
  if (isArchived(facts.headers)) return { kind: 'archived' };
  const source: MoveSource = { address, facts };
  const move = chooseMove(context, source, o.copyLimit);
  const kind = ({ copy: 'copy', parts: 'complete', relay: 'put' } as const)[move];
  const headers = {
    ...keptHeaders(facts.headers, store.now()),
    ...(await o.acls.headersOf(context, address)),
    ...(move === 'copy' ? {} : await tagsOf(context, source)),
    ...(isAtomic(context, kind, { ifMatch: facts.etag }) ? { 'if-match': facts.etag } : {}),
  };
  const header = rewrapHeader(tenant, { name: { bucket, key }, header: stored.header });
  const resealed =
    move === 'relay' && facts.size <= MIN_PART_BYTES
      ? { header, kept: 0, tail: await storedBody(context, source) }
      : { header, kept: facts.size, tail: Buffer.alloc(0) };
  const request = { source, sourceContext: context, target: address, resealed, headers };
  if (move === 'parts') {
    const named = { ...headers, ...toBackendHeaders(header) };
    await copyInParts(context, { ...request, headers: named }, o.partBytes);
  } else await moveStored(context, move, request);
  return { kind: 'rewrapped', supersededVersion: facts.versionId };
}

/** A little body goes up in one piece, with its digest, without which S3 takes no object under a lock. @throws VersionChanged */
async function storedBody(context: StoreContext, source: MoveSource): Promise<Buffer> {
  const { size } = source.facts;
  const body = await fetchStretch(context, source, { start: 0, end: size });
  const bytes = await readBody({ status: 200, headers: {}, body }, { maxBytes: size });
  if (bytes.length === size) return bytes;
  throw new BackendUnavailable('it sent fewer bytes than it said');
}

/**
 * A copy, unless another way is atomic on its target where a copy is not: an upload completed with a condition, and for the
 * little that is under the smallest part a conditional PUT of the same bytes.
 */
export function chooseMove(context: StoreContext, { facts }: MoveSource, copyLimit: number): Move {
  const can = context.store.capabilities;
  const isPinned = can.conditionalCopySource || facts.versionId !== undefined;
  if (!isPinned || !can.replaceMetadata) return 'relay';
  if (facts.size > copyLimit) return 'parts';
  if (can.conditionalCopy) return 'copy';
  // An upload has two parts at least, of which the first has the smallest size.
  if (facts.size <= MIN_PART_BYTES) return can.conditionalPutIfMatch ? 'relay' : 'copy';
  return can.conditionalComplete ? 'parts' : 'copy';
}

/** `undefined`: not about this object. */
function outcomeOf(error: unknown): RewrapOutcome | 'again' | undefined {
  if (error instanceof VersionChanged) return 'again';
  if (error instanceof FormatError || error instanceof MalformedSealedObject) {
    return { kind: 'failed', reason: `${error.code}: ${error.message}` };
  }
  if (!(error instanceof S3Error)) return undefined;
  if (REPLACED.has(error.code)) return 'again';
  if (error.code === 'InvalidObjectState') return { kind: 'archived' };
  if (error.code === 'ServiceUnavailable' || error.code === 'SlowDown' || isDeniedByStore(error)) return undefined;
  return { kind: 'failed', reason: failureText(error) };
}

/** What a store answers when the object is not the one that was read any more. */
const REPLACED: ReadonlySet<string> = new Set([
  'PreconditionFailed',
  'ConditionalRequestConflict',
  'NoSuchKey',
  'NoSuchVersion',
]);
