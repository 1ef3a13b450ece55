/** One backend request whose answer is a document, as operations on buckets and listings make it. */
import { MAX_BACKEND_XML_BYTES } from '../limits.ts';
import type { Call } from '../operation.ts';
import type { BackendRequest, BackendResponse } from './backend.ts';
import { backendFailure, readErrorResponse } from './errors.ts';
import { joined, readPieces } from './read-body.ts';

export interface Answer {
  readonly headers: BackendResponse['headers'];
  /** Put together, or read as text, only where that is asked for. */
  readonly body: Buffer;
  readonly document: string;
}

/** `onPiece` is told of the answer as it comes. @throws S3Error for any status that is not 2xx */
export async function ask(
  call: Call,
  operation: string,
  request: Omit<BackendRequest, 'signal'>,
  onPiece?: (piece: Buffer) => void,
): Promise<Answer> {
  const response = await call.services.backend.send({ ...request, signal: call.signal });
  if (response.status < 200 || response.status > 299) {
    const { status, code } = await readErrorResponse(response);
    throw backendFailure(status, code, { operation, bucket: request.bucket, key: request.key });
  }
  const pieces = await readPieces(response, { maxBytes: MAX_BACKEND_XML_BYTES, onPiece });
  return {
    headers: response.headers,
    get body() {
      return joined(pieces);
    },
    get document() {
      return joined(pieces).toString('utf8');
    },
  };
}
