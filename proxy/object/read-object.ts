/**
 * Plaintext out of a stored object: the needed stretch of ciphertext is fetched pinned to the version that was inspected,
 * and every segment opens before a byte of it is released.
 */
import type { Readable } from 'node:stream';
import { PART_HEADER_BYTES, SEALED_SEGMENT_BYTES, SEGMENT_BYTES } from '../../crypto/layout.ts';
import { openStream, PartOpener } from '../../crypto/open.ts';
import type { LentBody } from '../backend/backend.ts';
import { BATCH_BYTES } from '../limits.ts';
import type { Call } from '../operation.ts';
import { fetchVersion } from './fetch-version.ts';
import { partTable } from './footer.ts';
import { awaitingReader, fromStore } from './from-store.ts';
import type { ByteRange } from './range.ts';
import { type PlannedPart, planRead, type ReadPlan } from './read-plan.ts';
import { SplitSource } from './split-source.ts';
import { MalformedSealedObject } from './stored-metadata.ts';
import { asObjectFailure, type SealedObject, type StoredObject } from './stored-object.ts';

/** The parts of an object: one, or those of its table. */
export async function partsOf(call: Call, object: SealedObject): Promise<readonly PlannedPart[]> {
  if (object.layout === 2) {
    const table = await partTable(call, object);
    return table.map(({ number, size, salt }) => ({ partNumber: number, salt, plainBytes: size }));
  }
  const { partSalt } = object.early;
  if (partSalt === undefined) throw new MalformedSealedObject('the part salt is missing');
  return [{ partNumber: 0, salt: partSalt, plainBytes: object.size }];
}

/**
 * Plaintext bytes of `range`. Resolves once the backend has begun to answer with the right version.
 * @throws VersionChanged, S3Error; the iteration throws S3Error InternalError at the first segment that does not open
 */
export async function readRange(call: Call, object: StoredObject, range: ByteRange): Promise<AsyncIterable<Buffer>> {
  if (object.kind === 'legacy') return fromStore(await fetchStretch(call, object, range));
  const plan = planRead(await partsOf(call, object), range);
  const sealed = await fetchStretch(call, object, { start: plan.sealedStart, end: plan.sealedEnd });
  return openPlan(call, object, plan, sealed);
}

/** Stored bytes of exactly the version that was inspected. */
export async function fetchStretch(
  call: Call,
  object: Pick<StoredObject, 'address' | 'facts'>,
  range: ByteRange,
): Promise<Readable & LentBody> {
  const response = await fetchVersion(call, object.address, object.facts, range);
  return awaitingReader(response.body);
}

const SEALED_BATCH_BYTES = (BATCH_BYTES / SEGMENT_BYTES) * SEALED_SEGMENT_BYTES;

/** Opens a stretch of stored bytes that may go on past the plan (a footer): the rest is read and dropped. */
export async function* openPlan(
  call: Call,
  object: SealedObject,
  plan: ReadPlan,
  sealed: AsyncIterable<Buffer> & LentBody,
): AsyncGenerator<Buffer> {
  // In the batches that are opened, they need not be gathered.
  const header = plan.pieces[0]?.withHeader === true ? PART_HEADER_BYTES : 0;
  sealed.cutInto?.({ first: header + SEALED_BATCH_BYTES, others: SEALED_BATCH_BYTES });
  const source = new SplitSource(fromStore(sealed));
  try {
    for (const piece of plan.pieces) {
      const { dek, layout } = object;
      const { partNumber, salt, plainBytes, firstSegment } = piece;
      yield* openStream({
        opener: new PartOpener({ dek, layout, partNumber, salt, plainBytes, firstSegment }),
        sealed: source.take(piece.sealedBytes),
        withHeader: piece.withHeader,
        segmentCount: piece.segmentCount,
        skip: piece.skip,
        take: piece.take,
        batchBytes: BATCH_BYTES,
      });
    }
    // The footer, after all of an object. A store may send more, without end.
    await source.drain({ maxBytes: object.footerBytes });
    sealed.giveBack?.();
  } catch (error) {
    throw asObjectFailure(call, object.address, error);
  } finally {
    await source.close();
  }
}
