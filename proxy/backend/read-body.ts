/**
 * Backend answers that are read whole: listings, error documents, small objects. Bounded, so that a broken or hostile
 * store cannot fill the memory; and the one way to drop a body that nobody wants.
 */
import type { Readable } from 'node:stream';
import { type BackendResponse, BackendUnavailable } from './backend.ts';

/**
 * The whole body, at most `maxBytes`.
 * @throws BackendUnavailable when the body breaks off, or is longer than `maxBytes` (the rest is not read).
 */
export async function readBody(response: BackendResponse, o: { maxBytes: number }): Promise<Buffer> {
  const announced = Number(response.headers['content-length'] ?? 0);
  if (announced > o.maxBytes) {
    destroyQuietly(response.body);
    throw new BackendUnavailable(`its answer announces ${announced} bytes where at most ${o.maxBytes} are accepted`);
  }
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of response.body as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length > o.maxBytes) throw new BackendUnavailable(`its answer is longer than ${o.maxBytes} bytes`);
      chunks.push(chunk);
    }
  } catch (cause) {
    destroyQuietly(response.body);
    if (cause instanceof BackendUnavailable || isAbort(cause)) throw cause;
    throw new BackendUnavailable('its answer broke off', { cause });
  }
  const [only] = chunks;
  return chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks, length);
}

/** Bytes that are still worth reading, so that the connection can be used again, rather than closing it. */
const WORTH_DRAINING_BYTES = 64 * 1024;

/** Drops a body. A short one is read to its end, which keeps the connection; a longer or unbounded one is cut. */
export function discard(response: BackendResponse): void {
  const { body, headers } = response;
  const announced = headers['content-length'];
  body.on('error', ignore);
  if (announced === undefined || Number(announced) > WORTH_DRAINING_BYTES) body.destroy();
  else body.resume();
}

function destroyQuietly(body: Readable): void {
  body.on('error', ignore);
  body.destroy();
}

/** An abort is the caller's own doing and keeps its reason. */
function isAbort(cause: unknown): boolean {
  return cause instanceof Error && (cause.name === 'AbortError' || cause.name === 'TimeoutError');
}

function ignore(): void {}
