/**
 * A stored body that is too long for one PUT goes up as an upstream multipart upload and is completed only after its last
 * byte was produced, which is after the plaintext was verified. A failure at any point aborts the upload: nothing is stored.
 */
import { type BackendBody, type BackendResponse, BackendUnavailable } from '../backend/backend.ts';
import { discard, readBody } from '../backend/read-body.ts';
import { MAX_BACKEND_XML_BYTES, UPSTREAM_PART_BYTES } from '../limits.ts';
import type { Call } from '../operation.ts';
import { parseXml, renderXml } from '../xml.ts';
import { SplitSource } from './split-source.ts';

interface Upload {
  readonly bucket: string;
  readonly key: string;
  readonly uploadId: string;
}

/** Conditions decide at the end, so they go along with Complete and not with Create. */
const CONDITIONS = ['if-match', 'if-none-match'] as const;

/** The answer of Complete, or the first answer that was a refusal. Throws what the body throws. */
export async function storeInParts(
  call: Call,
  o: {
    bucket: string;
    key: string;
    headers: Readonly<Record<string, string>>;
    body: Exclude<BackendBody, Buffer>;
  },
): Promise<BackendResponse> {
  const { bucket, key } = o;
  const onComplete = Object.fromEntries(
    CONDITIONS.flatMap((name) => (o.headers[name] === undefined ? [] : [[name, o.headers[name]]])),
  );
  const onCreate = Object.fromEntries(Object.entries(o.headers).filter(([name]) => !(name in onComplete)));
  const created = await call.services.backend.send({
    method: 'POST',
    bucket,
    key,
    query: [['uploads', '']],
    headers: onCreate,
    body: Buffer.alloc(0),
    signal: call.signal,
  });
  if (created.status !== 200) return created;
  const upload = { bucket, key, uploadId: await uploadIdOf(created) };
  try {
    const sent = await sendParts(call, upload, o.body);
    if (!Array.isArray(sent)) return await abandon(call, upload, sent);
    const completed = await complete(call, upload, sent, onComplete);
    return completed.status === 200 ? completed : await abandon(call, upload, completed);
  } catch (error) {
    await abort(call, upload);
    throw error;
  }
}

async function uploadIdOf(response: BackendResponse): Promise<string> {
  const document = await readBody(response, { maxBytes: MAX_BACKEND_XML_BYTES });
  const uploadId = parseXml(document.toString('utf8'), 'InitiateMultipartUploadResult').value('UploadId');
  if (uploadId === undefined) throw new BackendUnavailable('its answer to CreateMultipartUpload lacks the upload id');
  return uploadId;
}

async function sendParts(
  call: Call,
  upload: Upload,
  body: Exclude<BackendBody, Buffer>,
): Promise<string[] | BackendResponse> {
  const source = new SplitSource(body.chunks);
  const etags: string[] = [];
  try {
    for (let sent = 0; sent < body.length; sent += UPSTREAM_PART_BYTES) {
      const length = Math.min(UPSTREAM_PART_BYTES, body.length - sent);
      const response = await call.services.backend.send({
        method: 'PUT',
        ...locate(upload),
        query: [
          ['partNumber', String(etags.length + 1)],
          ['uploadId', upload.uploadId],
        ],
        body: { length, chunks: source.take(length) },
        signal: call.signal,
      });
      if (response.status !== 200) return response;
      discard(response);
      etags.push(response.headers['etag'] ?? '');
    }
    await source.drain();
    return etags;
  } finally {
    await source.close();
  }
}

function complete(
  call: Call,
  upload: Upload,
  etags: readonly string[],
  conditions: Readonly<Record<string, string>>,
): Promise<BackendResponse> {
  const parts = etags.map((etag, index) => ({ PartNumber: index + 1, ETag: etag }));
  return call.services.backend.send({
    method: 'POST',
    ...locate(upload),
    query: [['uploadId', upload.uploadId]],
    headers: { 'content-type': 'application/xml', ...conditions },
    body: Buffer.from(renderXml('CompleteMultipartUpload', { Part: parts })),
    signal: call.signal,
  });
}

async function abandon(call: Call, upload: Upload, refusal: BackendResponse): Promise<BackendResponse> {
  await abort(call, upload);
  return refusal;
}

/** Best effort, even when the client is gone: what it leaves behind, the bucket's lifecycle rule for uploads removes. */
async function abort(call: Call, upload: Upload): Promise<void> {
  try {
    const response = await call.services.backend.send({
      method: 'DELETE',
      ...locate(upload),
      query: [['uploadId', upload.uploadId]],
      signal: AbortSignal.timeout(ABORT_TIMEOUT_MS),
    });
    discard(response);
  } catch {
    // The failure that led here is the one to report.
  }
}

const ABORT_TIMEOUT_MS = 10_000;

function locate(upload: Upload): { bucket: string; key: string } {
  return { bucket: upload.bucket, key: upload.key };
}
