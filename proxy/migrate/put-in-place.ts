/**
 * A sealed body in the place of the plain one that it was made of, on the condition that this one is still there.
 *
 * Some stores hold an object for as long as a conditional PUT of it runs: readers wait, and so would the last look at the object
 * (MinIO does). So a body that fits into memory goes in one quick PUT, and a longer one as an upload, with the condition on
 * Complete. Only a store without a conditional Complete gets a long conditional PUT.
 */
import type { BackendBody, BackendResponse } from '../backend/backend.ts';
import { MIGRATE_HELD_BYTES } from '../job-limits.ts';
import { MAX_STORED_PUT_BYTES } from '../limits.ts';
import { putStored } from '../object/put-stored.ts';
import { storeInParts } from '../object/store-in-parts.ts';
import { type MigrateContext, replacing } from './context.ts';
import type { ReplacedVersion } from './kept-settings.ts';
import { lookWhileWritten } from './look-again.ts';
import { putLocked } from './put-locked.ts';

type Send = Parameters<typeof putStored>[1];

/** `replaced`: as it was read. @throws VersionChanged when it changed meanwhile: then nothing was stored; and as `putStored` */
export function putInPlace(context: MigrateContext, o: Send & { replaced: ReplacedVersion }): Promise<BackendResponse> {
  const { replaced, bucket, key, headers, body } = o;
  const on = (kind: 'put' | 'complete') => ({
    bucket,
    key,
    headers: { ...headers, ...replacing(context, kind, replaced.facts) },
  });
  if (Buffer.isBuffer(body)) return putStored(context, { ...on('put'), body });
  const beforeCommit = () => replaced.requireUnchanged(context);
  if (body.length <= MIGRATE_HELD_BYTES) return putLocked(context, { ...on('put'), body, beforeCommit });
  if (replaced.isLocked) return putLocked(context, { ...on('complete'), body, beforeCommit });
  if (context.store.capabilities.conditionalComplete || body.length > MAX_STORED_PUT_BYTES) {
    return storeInParts(context, { ...on('complete'), body, beforeComplete: beforeCommit });
  }
  return putStored(context, { ...on('put'), body: lookedAt(context, body, replaced) });
}

type LongBody = Exclude<BackendBody, Buffer>;

/** The last piece leaves after the object was looked at once more. */
function lookedAt(context: MigrateContext, body: LongBody, replaced: ReplacedVersion): LongBody {
  async function* chunks(): AsyncGenerator<Buffer> {
    let left = body.length;
    for await (const chunk of body.chunks) {
      left -= chunk.length;
      if (left === 0) await lookWhileWritten(context, replaced);
      yield chunk;
    }
  }
  return { length: body.length, chunks: chunks() };
}
