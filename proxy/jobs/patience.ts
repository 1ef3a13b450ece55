/**
 * A store that is busy for a moment is no reason to give up on an object, and one object that the store does not give is no reason
 * to give up on a bucket. A store that is out of order is: then every further object would only fail as well.
 */
import { setTimeout } from 'node:timers/promises';
import { BackendUnavailable } from '../backend/backend.ts';
import { S3Error } from '../errors.ts';
import { JOB_ATTEMPTS, JOB_RETRY_MS } from '../job-limits.ts';

/** Whether the store failed, rather than the program. */
export function isOutage(error: unknown): error is S3Error | BackendUnavailable {
  return error instanceof BackendUnavailable || error instanceof S3Error;
}

/** Whether the same request may well succeed later. */
function isPassing(error: unknown): boolean {
  if (error instanceof BackendUnavailable) return true;
  return error instanceof S3Error && (error.code === 'SlowDown' || error.code === 'ServiceUnavailable');
}

/** Waits between attempts at one thing: longer each time, and not for ever. */
export class Patience {
  #left = JOB_ATTEMPTS;
  #pauseMs = JOB_RETRY_MS;

  /** The last attempt brought something: what fails from here on is another thing. */
  renew(): void {
    this.#left = JOB_ATTEMPTS;
    this.#pauseMs = JOB_RETRY_MS;
  }

  /** Resolves when it is time for another attempt. @throws `error` when there is to be none */
  async after(error: unknown, signal: AbortSignal): Promise<void> {
    this.#left -= 1;
    if (this.#left <= 0 || signal.aborted || !isPassing(error)) throw error;
    await setTimeout(this.#pauseMs, undefined, { signal });
    this.#pauseMs *= 4;
  }
}

/** @throws the failure of the last attempt */
export async function patiently<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
  for (const patience = new Patience(); ; ) {
    try {
      return await work();
    } catch (error) {
      await patience.after(error, signal);
    }
  }
}

/** Counts failures of the store in a row, over all objects under way. */
export class Outages {
  readonly #most: number;
  #inARow = 0;

  constructor(o: { most: number }) {
    this.#most = o.most;
  }

  /** The store did what was asked. */
  clear(): void {
    this.#inARow = 0;
  }

  /** @throws `error` when it is not the store's failure, when the work was stopped, or when too many came in a row */
  accept(error: unknown, signal: AbortSignal): S3Error | BackendUnavailable {
    this.#inARow += 1;
    if (signal.aborted || !isOutage(error) || this.#inARow >= this.#most) throw error;
    return error;
  }
}
