/** A store that closes connections without a word may want TLS, or be down. At the start one handshake tells which. */
import { BackendUnavailable } from '../backend/backend.ts';
import { speaksTls } from '../backend/s3/speaks-tls.ts';
import { explainStoreFailure } from '../backend/trouble/explain-store-failure.ts';

/** The failure itself, or one that says more. @param description of the backend that failed */
export async function toldApart(failure: unknown, description: string): Promise<unknown> {
  if (explainStoreFailure(failure)?.kind !== 'silent' || !description.startsWith('http://')) return failure;
  if (!(await speaksTls(new URL(description)))) return failure;
  return new BackendUnavailable('it speaks TLS', { cause: failure, transport: 'TLS_ANSWER' });
}
