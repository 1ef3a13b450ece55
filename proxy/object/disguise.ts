/**
 * A sealed body without sealed metadata is no legacy object: somebody stripped the metadata. It is told by the format's
 * 16-byte magic at offset 0, before a byte is passed on; every other legacy body passes as it is.
 */
import { PART_MAGIC } from '../../crypto/layout.ts';
import type { Call } from '../operation.ts';
import { fromStore } from './from-store.ts';
import { MalformedSealedObject } from './stored-metadata.ts';
import { asObjectFailure, type StoredObject } from './stored-object.ts';

/** `stored` must begin at offset 0 of the object. */
export async function* refuseDisguised(
  call: Call,
  object: StoredObject,
  stored: AsyncIterable<Buffer>,
): AsyncGenerator<Buffer> {
  if (object.kind === 'sealed') {
    yield* stored;
    return;
  }
  let head: Buffer | undefined = Buffer.alloc(0);
  for await (const chunk of fromStore(stored)) {
    if (head === undefined) {
      yield chunk;
      continue;
    }
    head = Buffer.concat([head, chunk]);
    if (head.length < PART_MAGIC.length) continue;
    refuseMagic(call, object, head);
    yield head;
    head = undefined;
  }
  if (head !== undefined && head.length > 0) yield head;
}

function refuseMagic(call: Call, object: StoredObject, head: Buffer): void {
  if (!head.subarray(0, PART_MAGIC.length).equals(PART_MAGIC)) return;
  throw asObjectFailure(call, object.address, new MalformedSealedObject('a sealed body without sealed metadata'));
}
