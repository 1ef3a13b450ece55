/**
 * A stored body that is too long for one PUT goes up as an upstream multipart upload and is completed only after its last
 * byte was produced, which is after the plaintext was verified. A failure at any point aborts the upload: nothing is stored.
 */
import { Readable } from 'node:stream';
import type { BackendBody, BackendResponse } from '../backend/backend.ts';
import { UPSTREAM_PART_BYTES } from '../limits.ts';
import type { StoreAccess } from './context.ts';
import { SplitSource } from './split-source.ts';
import { sendUpstreamPart, type UpstreamUpload, uploadUpstream } from './upstream-upload.ts';

/** The answer of Complete, which was read, with the ETag of its document. @throws S3Error when the backend refuses a step, and what the body throws */
export async function storeInParts(
  context: StoreAccess,
  o: {
    bucket: string;
    key: string;
    headers: Readonly<Record<string, string>>;
    body: Exclude<BackendBody, Buffer>;
    /** Called when all parts are there: throws to store nothing. */
    beforeComplete?: () => Promise<void>;
  },
): Promise<BackendResponse> {
  const { headers, document } = await uploadUpstream(context, o, async (upload) => {
    const etags = await sendParts(context, upload, o.body);
    await o.beforeComplete?.();
    return etags;
  });
  const etag = document.value('ETag');
  return { status: 200, headers: { ...headers, ...(etag === undefined ? {} : { etag }) }, body: Readable.from([]) };
}

async function sendParts(
  context: StoreAccess,
  upload: UpstreamUpload,
  body: Exclude<BackendBody, Buffer>,
): Promise<readonly string[]> {
  const source = new SplitSource(body.chunks);
  const etags: string[] = [];
  try {
    for (let sent = 0; sent < body.length; sent += UPSTREAM_PART_BYTES) {
      const length = Math.min(UPSTREAM_PART_BYTES, body.length - sent);
      const part = { number: etags.length + 1, body: { length, chunks: source.take(length) } };
      etags.push(await sendUpstreamPart(context, upload, part));
    }
    await source.drain();
    return etags;
  } finally {
    await source.close();
  }
}
