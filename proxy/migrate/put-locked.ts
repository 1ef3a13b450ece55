/**
 * A stored body under a retention or a legal hold. S3 takes such an object only with the digest of each request's body, and the digest of
 * a body that is sealed as it passes is known at its end. So the body goes up in parts that are held in memory, each with its digest,
 * and the lock counts from the moment in which the object appears.
 */
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import type { BackendBody, BackendResponse } from '../backend/backend.ts';
import { MIGRATE_HELD_BYTES } from '../job-limits.ts';
import { MAX_PART_NUMBER } from '../limits.ts';
import type { StoreAccess } from '../object/context.ts';
import { putStored } from '../object/put-stored.ts';
import { SplitSource } from '../object/split-source.ts';
import { sendUpstreamPart, type UpstreamUpload, uploadUpstream } from '../object/upstream-upload.ts';

/** As `putStored`. `beforeCommit`: called when nothing but the last request is left; throws to store nothing. */
export async function putLocked(
  context: StoreAccess,
  o: {
    bucket: string;
    key: string;
    headers: Readonly<Record<string, string>>;
    body: BackendBody;
    beforeCommit?: () => Promise<void>;
  },
): Promise<BackendResponse> {
  const { bucket, key, headers, body, beforeCommit } = o;
  if (Buffer.isBuffer(body)) return putStored(context, o);
  if (body.length <= MIGRATE_HELD_BYTES) {
    const whole = await gathered(body.chunks);
    await beforeCommit?.();
    return putStored(context, { bucket, key, headers: { ...headers, ...digestOf(whole) }, body: whole });
  }
  const upload = await uploadUpstream(context, { bucket, key, headers }, async (to) => {
    const etags = await sendParts(context, to, body);
    await beforeCommit?.();
    return etags;
  });
  return { status: 200, headers: upload.headers, body: Readable.from([]) };
}

/** A request with these headers stores something locked. */
export function isLockedBy(headers: Readonly<Record<string, string>>): boolean {
  return Object.keys(headers).some((name) => name.startsWith('x-amz-object-lock-'));
}

async function sendParts(
  context: StoreAccess,
  upload: UpstreamUpload,
  body: Exclude<BackendBody, Buffer>,
): Promise<readonly string[]> {
  const partBytes = Math.max(MIGRATE_HELD_BYTES, Math.ceil(body.length / MAX_PART_NUMBER));
  const source = new SplitSource(body.chunks);
  const etags: string[] = [];
  try {
    for (let sent = 0; sent < body.length; sent += partBytes) {
      const part = await gathered(source.take(Math.min(partBytes, body.length - sent)));
      const o = { number: etags.length + 1, body: part, headers: digestOf(part) };
      etags.push(await sendUpstreamPart(context, upload, o));
    }
    await source.drain();
    return etags;
  } finally {
    await source.close();
  }
}

/** Pieces may lie in memory that is used again. */
async function gathered(chunks: AsyncIterable<Buffer>): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const chunk of chunks) pieces.push(Buffer.from(chunk));
  return Buffer.concat(pieces);
}

function digestOf(body: Buffer): Record<string, string> {
  return { 'content-md5': createHash('md5').update(body).digest('base64') };
}
