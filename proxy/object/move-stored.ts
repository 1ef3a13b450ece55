/**
 * Puts a resealed object in its place with as few bytes moved as the backend allows: one CopyObject; else UploadPartCopy of the
 * kept bytes and an upload of the new end; else the stored bytes go through the proxy. The proxy relays objects below the
 * smallest part size, and all objects on backends that cannot pin a copy to the version that was read: on these, a replaced
 * source would be stored under a header that does not fit.
 */
import type { BackendBody } from '../backend/backend.ts';
import { discard, readBody } from '../backend/read-body.ts';
import { readResult } from '../backend/result.ts';
import { mapBounded } from '../concurrency/map-bounded.ts';
import { COPY_PARTS_AT_ONCE, MAX_STORED_PUT_BYTES, MIN_PART_BYTES, UPSTREAM_PART_BYTES } from '../limits.ts';
import type { WriteConditions } from './conditions.ts';
import type { StoreContext } from './context.ts';
import { renderCopySource } from './copy-source.ts';
import { failureOf } from './object-request.ts';
import { putDigest } from './put-digest.ts';
import { putStored } from './put-stored.ts';
import { fetchStretch } from './read-object.ts';
import type { Resealed } from './reseal.ts';
import { toBackendHeaders } from './stored-metadata.ts';
import type { ObjectAddress, SealedObject } from './stored-object.ts';
import { copyUpstreamPart, sendUpstreamPart, uploadUpstream } from './upstream-upload.ts';
import { isAtomic, type WriteKind } from './write-conditions.ts';

/** Inside the backend as a whole, inside the backend in parts, or through the proxy. */
export type Move = 'copy' | 'parts' | 'relay';

/** The kind of write that carries a condition on the target. */
export const CONDITION_KIND: Readonly<Record<Move, WriteKind>> = { copy: 'copy', parts: 'complete', relay: 'put' };

/** The cheapest move that is pinned to its source and, where the client sets conditions, atomic on its target. */
export function chooseMove(
  context: StoreContext,
  o: { source: SealedObject; resealed: Resealed; conditions: WriteConditions | undefined },
): Move {
  const { kept, tail } = o.resealed;
  const isPinned = context.store.capabilities.conditionalCopySource || o.source.facts.versionId !== undefined;
  if (!isPinned || !context.store.capabilities.replaceMetadata) return 'relay';
  const move = tail.length === 0 && kept <= MAX_STORED_PUT_BYTES ? 'copy' : kept < MIN_PART_BYTES ? 'relay' : 'parts';
  if (o.conditions === undefined || isAtomic(context, CONDITION_KIND[move], o.conditions)) return move;
  return 'relay';
}

/** What a move needs to know of its source. */
export type MoveSource = Pick<SealedObject, 'address' | 'facts'>;

export interface MoveRequest {
  readonly source: MoveSource;
  /** For requests about the source. */
  readonly sourceContext: StoreContext;
  readonly target: ObjectAddress;
  readonly resealed: Resealed;
  /** Storage headers and translated conditions, without metadata. */
  readonly headers: Readonly<Record<string, string>>;
}

/** The backend's answer: headers, and when it knows it the time of the new version. */
export interface Moved {
  readonly headers: Readonly<Record<string, string>>;
  readonly lastModified: string | undefined;
  /** The new version's, as the store gives it. */
  readonly storedEtag: string | undefined;
}

/** @throws S3Error PreconditionFailed when the source or the target has changed meanwhile; VersionChanged */
export function moveStored(context: StoreContext, move: Move, o: MoveRequest): Promise<Moved> {
  const headers = { ...o.headers, ...toBackendHeaders(o.resealed.header) };
  switch (move) {
    case 'copy':
      return copyWhole(context, { ...o, headers });
    case 'parts':
      return copyInParts(context, { ...o, headers }, UPSTREAM_PART_BYTES);
    case 'relay':
      return relay(context, { ...o, headers });
  }
}

async function copyWhole(context: StoreContext, o: MoveRequest): Promise<Moved> {
  const { bucket, key } = o.target;
  const response = await context.store.backend.send({
    method: 'PUT',
    bucket,
    key,
    headers: { ...o.headers, ...pinnedSource(o), 'x-amz-metadata-directive': 'REPLACE' },
    signal: context.signal,
  });
  const result = await readResult(response, { root: 'CopyObjectResult', operation: 'CopyObject', bucket, key });
  const storedEtag = result.value('ETag');
  return { headers: response.headers, lastModified: result.value('LastModified'), storedEtag };
}

/** Names the version that was read, as far as the backend lets a request name one. */
function pinnedSource({ source, sourceContext }: MoveRequest): Record<string, string> {
  const { facts, address } = source;
  const owner = sourceContext.accountHeaders['x-amz-expected-bucket-owner'];
  return {
    'x-amz-copy-source': renderCopySource({ ...address, versionId: facts.versionId ?? address.versionId }),
    'x-amz-copy-source-if-match': facts.etag,
    ...(owner === undefined ? {} : { 'x-amz-source-expected-bucket-owner': owner }),
  };
}

/**
 * Equal ranges, which every backend accepts; the few bytes that are left over go up in front of the tail. There are two parts at
 * least: the ETag of an object of one part could be the opaque ETag of another one.
 * @param rangeBytes largest range; at least twice the smallest part.
 */
export async function copyInParts(context: StoreContext, o: MoveRequest, rangeBytes: number): Promise<Moved> {
  const { source, sourceContext, resealed } = o;
  const { size, count } = partRanges(resealed, rangeBytes);
  const rest = { start: size * count, end: resealed.kept };
  const { headers, document } = await uploadUpstream(context, { ...o.target, headers: o.headers }, async (upload) => {
    const last = Buffer.concat([await readStretch(sourceContext, source, rest), resealed.tail]);
    const numbers = Array.from({ length: count }, (_, index) => index + 1);
    const etags = await mapBounded(numbers, COPY_PARTS_AT_ONCE, (number) => {
      const range = `bytes=${(number - 1) * size}-${number * size - 1}`;
      return copyUpstreamPart(context, upload, {
        number,
        headers: { ...pinnedSource(o), 'x-amz-copy-source-range': range },
      });
    });
    if (last.length === 0) return etags;
    return [...etags, await sendUpstreamPart(context, upload, { number: count + 1, body: last })];
  });
  return { headers, lastModified: undefined, storedEtag: document.value('ETag') };
}

/** A body that fits one range and has no tail is cut in two, so that the first part has the smallest size of parts or more. */
function partRanges({ kept, tail }: Resealed, rangeBytes: number): { size: number; count: number } {
  if (tail.length > 0 || kept > rangeBytes) return equalRanges(kept, rangeBytes);
  return kept < 2 * MIN_PART_BYTES ? { size: MIN_PART_BYTES, count: 1 } : equalRanges(kept, Math.ceil(kept / 2));
}

/** `count` ranges of `size` bytes, and fewer than `count` bytes left over. */
export function equalRanges(bytes: number, largest: number): { size: number; count: number } {
  const count = Math.max(1, Math.ceil(bytes / largest));
  return { size: Math.floor(bytes / count), count };
}

async function relay(context: StoreContext, o: MoveRequest): Promise<Moved> {
  const { kept, tail } = o.resealed;
  if (kept === 0) return put(context, o, tail);
  const stored = await fetchStretch(o.sourceContext, o.source, { start: 0, end: kept });
  try {
    return await put(context, o, { length: kept + tail.length, chunks: joined(stored, tail) });
  } finally {
    stored.destroy();
  }
}

async function* joined(stored: AsyncIterable<Buffer>, tail: Buffer): AsyncGenerator<Buffer> {
  yield* stored;
  if (tail.length > 0) yield tail;
}

async function put(context: StoreContext, o: MoveRequest, body: BackendBody): Promise<Moved> {
  const { bucket, key } = o.target;
  const digest = Buffer.isBuffer(body) ? putDigest(context, body) : {};
  const headers = { ...o.headers, ...digest };
  const response = await putStored(context, { bucket, key, headers, body });
  if (response.status !== 200) throw await failureOf(response, { operation: 'PutObject', bucket, key });
  discard(response);
  const { headers: answered } = response;
  return { headers: answered, lastModified: undefined, storedEtag: answered['etag'] };
}

async function readStretch(
  context: StoreContext,
  source: MoveSource,
  range: { start: number; end: number },
): Promise<Buffer> {
  if (range.start === range.end) return Buffer.alloc(0);
  const body = await fetchStretch(context, source, range);
  return readBody({ status: 206, headers: {}, body }, { maxBytes: range.end - range.start });
}
