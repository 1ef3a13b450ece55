/** One backend request whose answer is a document, as operations on buckets and listings make it. */
import { MAX_BACKEND_XML_BYTES } from '../limits.ts';
import type { Call } from '../operation.ts';
import type { BackendRequest, BackendResponse } from './backend.ts';
import { backendFailure, readErrorResponse } from './errors.ts';
import { readBody } from './read-body.ts';

export interface Answer {
  readonly headers: BackendResponse['headers'];
  readonly body: Buffer;
  /** The body as text. */
  readonly document: string;
}

/** @throws S3Error for any status that is not 2xx */
export async function ask(call: Call, operation: string, request: Omit<BackendRequest, 'signal'>): Promise<Answer> {
  const response = await call.services.backend.send({ ...request, signal: call.signal });
  if (response.status < 200 || response.status > 299) {
    const { status, code } = await readErrorResponse(response);
    throw backendFailure(status, code, { operation, bucket: request.bucket, key: request.key });
  }
  const body = await readBody(response, { maxBytes: MAX_BACKEND_XML_BYTES });
  return {
    headers: response.headers,
    body,
    get document() {
      return body.toString('utf8');
    },
  };
}
