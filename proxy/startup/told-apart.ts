/**
 * A store that closes connections without an answer may want TLS, or be down. At the start of the server one handshake tells which.
 */
import { BackendUnavailable } from '../backend/backend.ts';
import { speaksTls } from '../backend/s3/speaks-tls.ts';
import { explainStoreFailure } from '../backend/trouble/explain-store-failure.ts';

/** Returns the failure, or one that says more. @param description of the backend that failed */
export async function toldApart(failure: unknown, description: string): Promise<unknown> {
  if (explainStoreFailure(failure)?.kind !== 'silent' || !description.startsWith('http://')) return failure;
  if (!(await speaksTls(new URL(description)))) return failure;
  return new BackendUnavailable('it speaks TLS', { cause: failure, transport: 'TLS_ANSWER' });
}
