/**
 * The plaintext replacement check. Somebody who strips the sealed metadata of an object turns a sealed body into a legacy
 * object. Such a body begins with the format's 16-byte magic. The check looks for the magic at offset 0 before the first byte
 * is passed on, whichever bytes the client wants. Every other legacy body passes unchanged.
 */
import { PART_MAGIC } from '../../crypto/layout.ts';
import { readBody } from '../backend/read-body.ts';
import type { StoreContext } from './context.ts';
import { asObjectFailure } from './damaged-object.ts';
import { fromStore } from './from-store.ts';
import type { ByteRange } from './range.ts';
import { fetchStretch, type Plaintext, readRange } from './read-object.ts';
import { MalformedSealedObject } from './stored-metadata.ts';
import type { LegacyObject, StoredObject } from './stored-object.ts';
import { identityOf } from './version-identity.ts';

/**
 * As `readRange`, after the plaintext replacement check. A range that does not show the first bytes of a legacy object costs
 * one more request, once for each version.
 * @throws S3Error InternalError for a sealed body without sealed metadata, and as `readRange`
 */
export async function readChecked(context: StoreContext, object: StoredObject, range: ByteRange): Promise<Plaintext> {
  if (object.kind === 'sealed') return readRange(context, object, range);
  const showsStart = range.start === 0 && range.end >= Math.min(PART_MAGIC.length, object.size);
  if (!showsStart) await checkStart(context, object);
  const stored = fromStore(await fetchStretch(context, object, range));
  return showsStart ? refuseReplacement(context, object, stored) : stored;
}

async function checkStart(context: StoreContext, object: LegacyObject): Promise<void> {
  const identity = identityOf(context, object.address, object.facts);
  if (object.size < PART_MAGIC.length || context.store.cache.get(identity)?.isPlain === true) return;
  const body = await fetchStretch(context, object, { start: 0, end: PART_MAGIC.length });
  await refuseMagic(
    context,
    object,
    await readBody({ status: 206, headers: {}, body }, { maxBytes: PART_MAGIC.length }),
  );
  context.store.cache.add(identity, { isPlain: true });
}

/** `stored` must begin at offset 0 of the object. */
export async function* refuseReplacement(
  context: StoreContext,
  object: LegacyObject,
  stored: AsyncIterable<Buffer>,
): AsyncGenerator<Buffer> {
  let head: Buffer | undefined = Buffer.alloc(0);
  for await (const chunk of fromStore(stored)) {
    if (head === undefined) {
      yield chunk;
      continue;
    }
    head = Buffer.concat([head, chunk]);
    if (head.length < PART_MAGIC.length) continue;
    await refuseMagic(context, object, head);
    yield head;
    head = undefined;
  }
  if (head !== undefined && head.length > 0) yield head;
}

async function refuseMagic(context: StoreContext, object: LegacyObject, head: Buffer): Promise<void> {
  if (!head.subarray(0, PART_MAGIC.length).equals(PART_MAGIC)) return;
  throw await asObjectFailure(
    context,
    object.address,
    new MalformedSealedObject('a sealed body without sealed metadata'),
  );
}
