/**
 * Waits for a store that is started at the same time as Sealgate (a sidecar, a compose file). It does not wait for a store that
 * answers, whatever the answer, nor for a trouble that waiting cannot cure, such as a certificate of the wrong name: a wrong
 * setting must be reported at once.
 */
import { performance } from 'node:perf_hooks';
import { setTimeout } from 'node:timers/promises';
import { discard } from '../backend/read-body.ts';
import { explainStoreFailure } from '../backend/trouble/explain-store-failure.ts';
import { needsOperator, troubleText } from '../backend/trouble/store-trouble.ts';
import type { Logger } from '../observe/log.ts';
import { STORE_WAIT_MS, STORE_WAIT_STEP_MS } from '../running-limits.ts';
import type { Storage } from '../runtime.ts';
import { toldApart } from '../startup/told-apart.ts';

/**
 * Resolves when the store answers, and no later than after `waitMs`: what is asked of it next then says what is wrong.
 * @throws BackendUnavailable for what waiting does not cure
 */
export async function waitForStore(
  { backend, state }: { backend: Storage['backend']; state: Pick<Storage['state'], 'bucket'> },
  log: Pick<Logger, 'warn'>,
  waitMs = STORE_WAIT_MS,
): Promise<void> {
  const end = performance.now() + waitMs;
  for (let isTold = false; ; isTold = true) {
    const reason = await silence(backend, state.bucket);
    if (reason === undefined || performance.now() + STORE_WAIT_STEP_MS > end) return;
    if (!isTold) log.warn({ backend: backend.description, reason }, 'waiting for the backend');
    await setTimeout(STORE_WAIT_STEP_MS);
  }
}

/** Why nothing can be asked of the store yet. */
async function silence(backend: Storage['backend'], bucket: string): Promise<string | undefined> {
  try {
    const response = await backend.send({ method: 'HEAD', bucket, signal: new AbortController().signal });
    discard(response);
    return response.status >= 500 ? `it answers with status ${response.status}` : undefined;
  } catch (error) {
    const failure = await toldApart(error, backend.description);
    const trouble = explainStoreFailure(failure);
    if (trouble === undefined || needsOperator(trouble)) throw failure;
    return troubleText(trouble);
  }
}
