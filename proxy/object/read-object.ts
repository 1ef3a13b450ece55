/**
 * Plaintext out of a stored object: the needed stretch of ciphertext is fetched pinned to the version that was inspected,
 * and every segment opens before a byte of it is released.
 */
import type { Readable } from 'node:stream';
import { checkPad, padBytesOf } from '../../crypto/body.ts';
import { PART_HEADER_BYTES, SEALED_SEGMENT_BYTES, SEGMENT_BYTES } from '../../crypto/layout.ts';
import { openStream, PartOpener } from '../../crypto/open.ts';
import type { BackendResponse, LentBody } from '../backend/backend.ts';
import { BATCH_BYTES } from '../limits.ts';
import type { StoreAccess, StoreContext } from './context.ts';
import { asObjectFailure } from './damaged-object.ts';
import { fetchVersion } from './fetch-version.ts';
import { partTable } from './footer.ts';
import { awaitingReader, fromStore } from './from-store.ts';
import type { ByteRange } from './range.ts';
import { type PlannedPart, planRead, type ReadPlan } from './read-plan.ts';
import { isSmall, readSmall } from './read-small.ts';
import { SplitSource } from './split-source.ts';
import { MalformedSealedObject } from './stored-metadata.ts';
import type { SealedObject, StoredObject } from './stored-object.ts';

/** The parts of an object: one, or those of its table. */
export async function partsOf(context: StoreContext, object: SealedObject): Promise<readonly PlannedPart[]> {
  if (object.layout === 2) {
    const table = await partTable(context, object);
    return table.map(({ number, size, salt }) => ({ partNumber: number, salt, plainBytes: size }));
  }
  const { partSalt } = object.early;
  if (partSalt === undefined) throw new MalformedSealedObject('the part salt is missing');
  return [{ partNumber: 0, salt: partSalt, plainBytes: object.size }];
}

/** Bytes of an object: all at hand where they are few, else as they come. */
export type Plaintext = readonly Buffer[] | AsyncIterable<Buffer>;

/**
 * Plaintext bytes of `range`. Resolves once the backend has begun to answer with the right version.
 * @throws VersionChanged, S3Error; InternalError for a segment that does not open is thrown here or by the iteration
 */
export async function readRange(context: StoreContext, object: StoredObject, range: ByteRange): Promise<Plaintext> {
  if (object.kind === 'legacy') return fromStore(await fetchStretch(context, object, range));
  const plan = planRead(await partsOf(context, object), range);
  return openPlan(context, object, plan, await fetchPlan(context, object, plan));
}

/** The answer with the stored bytes of a plan. @throws VersionChanged, S3Error */
export async function fetchPlan(context: StoreContext, object: SealedObject, plan: ReadPlan): Promise<BackendResponse> {
  const { address, facts } = object;
  const stretch = { start: plan.sealedStart, end: plan.sealedEnd };
  const response = await fetchVersion(context, address, facts, stretch, { lends: () => isSmall(object, plan) });
  awaitingReader(response.body);
  return response;
}

/** Stored bytes of exactly the version that was inspected. */
export async function fetchStretch(
  context: StoreAccess,
  object: Pick<StoredObject, 'address' | 'facts'>,
  range: ByteRange,
): Promise<Readable> {
  const response = await fetchVersion(context, object.address, object.facts, range);
  return awaitingReader(response.body);
}

/** Opens an answer with the stored bytes of a plan, which may go on past it (a footer): the rest is read and dropped. */
export async function openPlan(
  context: StoreContext,
  object: SealedObject,
  plan: ReadPlan,
  response: BackendResponse,
): Promise<Plaintext> {
  return isSmall(object, plan)
    ? readSmall(context, object, plan, response)
    : openLarge(context, object, plan, response.body);
}

async function* openLarge(
  context: StoreContext,
  object: SealedObject,
  plan: ReadPlan,
  sealed: AsyncIterable<Buffer> & LentBody,
): AsyncGenerator<Buffer> {
  // In the batches that are opened, they need not be gathered.
  const header = plan.pieces[0]?.withHeader === true ? PART_HEADER_BYTES : 0;
  sealed.cutInto?.({ first: header + SEALED_BATCH_BYTES, others: SEALED_BATCH_BYTES });
  const source = new SplitSource(fromStore(sealed));
  const { dek, layout, late } = object;
  // The last piece leaves when what follows it has been looked at.
  let held: Buffer | undefined;
  try {
    for (const { sealedBytes, ...piece } of plan.pieces) {
      const opened = openStream({
        ...piece,
        opener: new PartOpener({ dek, layout, ...piece }),
        sealed: source.take(sealedBytes),
        batchBytes: BATCH_BYTES,
      });
      for await (const chunk of opened) {
        if (held !== undefined) yield held;
        held = chunk;
      }
    }
    // The footer, after all of an object. A store may send more, without end.
    if (plan.sealedEnd === object.facts.size - object.footerBytes) await source.skip(padBytesOf(late), checkPad);
    await source.drain({ maxBytes: object.footerBytes });
    sealed.giveBack?.();
    if (held !== undefined) yield held;
  } catch (error) {
    throw await asObjectFailure(context, object.address, error);
  } finally {
    await source.close();
  }
}

const SEALED_BATCH_BYTES = (BATCH_BYTES / SEGMENT_BYTES) * SEALED_SEGMENT_BYTES;
