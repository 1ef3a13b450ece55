/** Whatever was thrown as the error that a client is sent. */
import { S3Error } from '../errors.ts';
import { BackendUnavailable } from './backend.ts';
import { explainStoreFailure } from './trouble/explain-store-failure.ts';

/** Bad input is already an S3Error. A backend that does not answer becomes 503. Anything else is a bug of ours. */
export function asS3Error(error: unknown): S3Error {
  if (error instanceof S3Error) return error;
  if (error instanceof BackendUnavailable) {
    const isFull = explainStoreFailure(error)?.kind === 'full';
    return new S3Error('ServiceUnavailable', isFull ? NO_ROOM : undefined, { cause: error });
  }
  return new S3Error('InternalError', undefined, { cause: error });
}

/** The log says more; a client can only wait, or delete something. */
const NO_ROOM = 'The storage behind this endpoint has no room left. Reads and deletes go on.';
