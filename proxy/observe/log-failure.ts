/**
 * Logs the failures that the operator must know: those of the proxy and of the store. The error of a client is told to the client
 * alone. The message of the line says whom it concerns; `store` explains refusals and silences of the store.
 */
import { isDeniedByStore } from '../backend/errors.ts';
import { explainStoreFailure } from '../backend/trouble/explain-store-failure.ts';
import { needsOperator, type StoreTrouble } from '../backend/trouble/store-trouble.ts';
import type { S3Error } from '../errors.ts';
import { KmsFailure } from '../kms/provider.ts';
import type { Logger } from './log.ts';
import type { Metrics } from './metrics.ts';

/** `answered`: the error that the client gets for the failure. */
export function logFailure(
  { log, metrics }: { log: Logger; metrics: Metrics },
  { requestId, failure, answered }: { requestId: string; failure: unknown; answered: S3Error },
): void {
  const isDenied = isDeniedByStore(failure);
  if (!isDenied && !isForOperator(answered)) return;
  const trouble = explainStoreFailure(failure);
  if (trouble !== undefined) metrics.storeFailure(trouble.kind);
  const entry = { requestId, store: trouble, err: isDenied ? answered.cause : failure };
  if (isDenied) log.warn(entry, 'the backend denied the request');
  else if (failure instanceof Error && failure.cause instanceof KmsFailure)
    log.error(entry, 'a key service did not agree');
  else if (isStanding(trouble)) log.error(entry, 'the proxy cannot work with the store');
  else if (answered.code === 'InternalError') log.error(entry, 'the request failed');
  else log.warn(entry, 'the backend could not serve the request');
}

function isForOperator({ status, code }: S3Error): boolean {
  return status >= 500 && code !== 'NotImplemented' && code !== 'SlowDown';
}

/** Whether the trouble lasts (credentials, the clock, a setting): every request meets it until somebody mends it. */
function isStanding(trouble: StoreTrouble | undefined): boolean {
  return trouble !== undefined && needsOperator(trouble);
}
