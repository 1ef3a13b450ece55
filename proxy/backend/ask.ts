/** One backend request whose answer is a document, as operations on buckets and listings make it. */
import { MAX_BACKEND_XML_BYTES } from '../limits.ts';
import type { Backend, BackendRequest, BackendResponse } from './backend.ts';
import { backendFailure, type FailureContext, readErrorResponse } from './errors.ts';
import { readLent } from './read-body.ts';

export interface Answer {
  readonly headers: BackendResponse['headers'];
  readonly document: string;
}

/** Where to ask, and until when: a store context. */
export interface AskContext {
  readonly store: { readonly backend: Backend };
  readonly signal: AbortSignal;
}

type Question = Omit<BackendRequest, 'signal' | 'lends'>;

/** @throws S3Error for any status that is not 2xx */
export function ask(context: AskContext, operation: string, request: Question): Promise<Answer> {
  return askFor(context, operation, request, {
    use: (document, headers) => ({ headers, document: document.toString('utf8') }),
  });
}

/**
 * The same of a document that need not be read as text. `onPiece` is told of each piece as it comes; `use` gets all of it,
 * which is valid until it returns.
 * @throws S3Error for any status that is not 2xx
 */
export async function askFor<T>(
  context: AskContext,
  operation: string,
  request: Question,
  o: { onPiece?: (piece: Buffer) => void; use: (document: Buffer, headers: BackendResponse['headers']) => T },
): Promise<T> {
  const response = await context.store.backend.send({ ...request, lends: () => true, signal: context.signal });
  if (response.status < 200 || response.status > 299) {
    throw backendFailure(await readErrorResponse(response), contextOf(operation, request));
  }
  const document = await readLent(response, { maxBytes: MAX_BACKEND_XML_BYTES, onPiece: o.onPiece });
  const result = o.use(document, response.headers);
  response.body.giveBack?.();
  return result;
}

/** What the request named, for the error. */
function contextOf(operation: string, { bucket, key, query = [] }: Question): FailureContext {
  const named = (wanted: string) => query.find(([name]) => name === wanted)?.[1];
  return { operation, bucket, key, versionId: named('versionId'), uploadId: named('uploadId') };
}
