/** Bodies that break off at a chosen byte, and requests without their conditions. */
import { Readable } from 'node:stream';
import {
  type Backend,
  type BackendRequest,
  type BackendResponse,
  BackendUnavailable,
} from '../../../proxy/backend/backend.ts';

/** Sends `atByte` bytes of the body, then fails as a reset connection does: the inner store gets a body that throws. */
export async function cutRequestBody(
  inner: Backend,
  request: BackendRequest,
  atByte: number,
): Promise<BackendResponse> {
  const reset = new BackendUnavailable('ECONNRESET, as scripted');
  const { body } = request;
  if (body === undefined) throw reset;
  const chunks = cut(Buffer.isBuffer(body) ? [body] : body.chunks, { atByte, error: reset });
  // An answer despite the cut, say an early refusal, is the answer.
  return inner.send({ ...request, body: { length: body.length, chunks } });
}

/** The response with its body broken off: `atByte` bytes arrive, then the stream errors. */
export function cutResponseBody(response: BackendResponse, atByte: number): BackendResponse {
  const reset = Object.assign(new Error('aborted'), { code: 'ECONNRESET' });
  const body = Readable.from(cut(response.body, { atByte, error: reset }), { objectMode: false });
  body.once('close', () => response.body.destroy());
  return { ...response, body };
}

async function* cut(
  chunks: AsyncIterable<Buffer> | Iterable<Buffer>,
  o: { atByte: number; error: Error },
): AsyncGenerator<Buffer> {
  let left = o.atByte;
  if (left <= 0) throw o.error;
  for await (const chunk of chunks) {
    const piece = chunk.subarray(0, left);
    left -= piece.length;
    if (piece.length > 0) yield piece;
    if (left === 0) throw o.error;
  }
  throw o.error;
}

const CONDITIONS = /^(x-amz-copy-source-)?if-/;

export function withoutConditions(request: BackendRequest): BackendRequest {
  const headers = Object.entries(request.headers ?? {}).filter(([name]) => !CONDITIONS.test(name));
  return { ...request, headers: Object.fromEntries(headers) };
}
