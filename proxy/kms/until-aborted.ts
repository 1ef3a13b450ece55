/** Calls to a key service end with their signal: not every one stops when it is told to. The module of an HSM may hang. */
import { KmsFailure } from './provider.ts';

/** @throws KmsFailure unreachable once `signal` is aborted. The work itself may go on, and its result is dropped. */
export async function untilAborted<T>(work: Promise<T>, signal: AbortSignal, provider: string): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const giveUp = () => reject(new KmsFailure('unreachable', `${provider} did not answer in time`));
  if (signal.aborted) giveUp();
  signal.addEventListener('abort', giveUp, { once: true });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', giveUp);
  }
}
