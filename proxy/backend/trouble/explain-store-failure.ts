/**
 * Explains in words why the store did not do what the proxy needed: what is wrong, and what to change. `serve`, the quickstart,
 * the commands and `check` print it, and the log carries its kind, so that the proxy's own trouble with the store (its
 * credentials, the clock, the network) can be told from a client's error.
 */
import { isS3ErrorCode, S3Error } from '../../errors.ts';
import { BackendUnavailable } from '../backend.ts';
import { explainRefusal } from './explain-refusal.ts';
import { explainTransport } from './explain-transport.ts';
import { StoreRefusal } from './store-refusal.ts';
import { type StoreTrouble, troubleText } from './store-trouble.ts';

/** `undefined`: the error is not about the store. The cause may lie several errors deep. */
export function explainStoreFailure(error: unknown): StoreTrouble | undefined {
  for (let at: unknown = error, depth = 0; at instanceof Error && depth < 10; at = at.cause, depth += 1) {
    if (at instanceof StoreRefusal) return explainRefusal(at);
    if (at instanceof BackendUnavailable) return explainTransport(at);
  }
  return undefined;
}

/**
 * The text about a failure for the operator. The default text of a code is for clients and says nothing here, so the explanation of
 * the store's trouble takes its place. Any other text is kept in front of it.
 */
export function failureText(error: S3Error | BackendUnavailable): string {
  const trouble = explainStoreFailure(error);
  if (trouble === undefined) return `${error.code}: ${error.message}`;
  const { code } = error;
  const hasOwnText = error instanceof S3Error && isS3ErrorCode(code) && error.message !== new S3Error(code).message;
  return hasOwnText ? `${error.message} ${troubleText(trouble)}` : troubleText(trouble);
}
