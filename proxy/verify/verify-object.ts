/**
 * One object, verified as it is stored. What an earlier look at the object or at another version of it showed is not believed:
 * every object is opened with caches of its own.
 */
import { PART_MAGIC } from '../../crypto/layout.ts';
import { S3Error } from '../errors.ts';
import { isArchived } from '../object/archived.ts';
import { AttributesCache } from '../object/attributes-cache.ts';
import { type ObjectStore, reportObject, type StoreContext } from '../object/context.ts';
import { asObjectFailure } from '../object/damaged-object.ts';
import { partTable } from '../object/footer.ts';
import { inspectObject } from '../object/inspect-object.ts';
import { unkeptHeaders } from '../object/opened-headers.ts';
import { readChecked } from '../object/replacement-check.ts';
import { retryWhenChanged } from '../object/retry-when-changed.ts';
import type { LegacyObject, ObjectAddress, SealedObject } from '../object/stored-object.ts';
import { isOwnerAltered } from './altered-owner.ts';
import { type ReadingPlace, readAll } from './read-all.ts';
import { type Verdict, verdictOf } from './verdict.ts';

export interface VerifyOptions {
  /** `headers`: everything but the body: header, attributes, footer, part table, length. `data`: the body as well. */
  readonly depth: 'headers' | 'data';
  readonly pace: (bytes: number) => Promise<void>;
}

/** `undefined`: the object is not there any more. @throws S3Error, BackendUnavailable: the store's failure */
export async function verifyObject(
  context: StoreContext,
  address: ObjectAddress,
  o: VerifyOptions,
): Promise<Verdict | undefined> {
  const place: ReadingPlace = { bytes: 0, where: '' };
  const own = { ...context, store: withoutMemory(context.store) };
  try {
    return await retryWhenChanged(() => look(own, address, { ...o, place }));
  } catch (error) {
    if (error instanceof S3Error && (error.status === 404 || isDeleteMarker(error))) return undefined;
    const verdict = verdictOf(error, place);
    if (verdict === undefined) throw error;
    if (verdict.state === 'foreign' && (await isOwnerAltered(own, address))) return alteredOwner(own, address);
    // Pieces that were read below the level that records an event.
    if (verdict.state === 'damaged') await asObjectFailure(own, address, error);
    return verdict;
  }
}

async function alteredOwner(context: StoreContext, address: ObjectAddress): Promise<Verdict> {
  const message = 'The tenant id in the metadata is not the one that the header was sealed for.';
  await reportObject(context, { kind: 'metadata-tampered', detail: message, bucket: address.bucket, key: address.key });
  return { state: 'damaged', piece: 'metadata', code: 'MALFORMED_SEALED_OBJECT', message, bytes: 0 };
}

function isDeleteMarker(error: S3Error): boolean {
  return error.code === 'MethodNotAllowed';
}

function withoutMemory(store: ObjectStore): ObjectStore {
  const cache = new AttributesCache({ bytes: OWN_CACHE_BYTES, listedBytes: 1 });
  const recent = { get: () => undefined, remember: () => true, forget: () => undefined };
  return { ...store, cache, headers: unkeptHeaders, recent, legacy: { kind: 'allow' } };
}

/** Holds one footer and the longest part table. */
const OWN_CACHE_BYTES = 8 * 1024 * 1024;

async function look(
  context: StoreContext,
  address: ObjectAddress,
  o: VerifyOptions & { place: ReadingPlace },
): Promise<Verdict> {
  o.place.bytes = 0;
  o.place.where = '';
  const object = await inspectObject(context, address);
  if (object.kind === 'legacy') return lookAtLegacy(context, object);
  if (o.depth === 'data') return lookAtData(context, object, o);
  if (object.layout === 2) await partTable(context, object);
  return { state: 'ok', bytes: 0 };
}

/** A sealed body whose metadata somebody stripped is no legacy object. */
async function lookAtLegacy(context: StoreContext, object: LegacyObject): Promise<Verdict> {
  if (isArchived(object.facts.headers)) return { state: 'legacy' };
  const range = { start: 0, end: Math.min(object.size, PART_MAGIC.length) };
  if (range.end === PART_MAGIC.length) for await (const _ of await readChecked(context, object, range));
  return { state: 'legacy' };
}

async function lookAtData(
  context: StoreContext,
  object: SealedObject,
  o: VerifyOptions & { place: ReadingPlace },
): Promise<Verdict> {
  if (isArchived(object.facts.headers)) return { state: 'archived' };
  await readAll(context, object, o);
  return { state: 'ok', bytes: o.place.bytes };
}
