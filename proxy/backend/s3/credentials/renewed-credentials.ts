/**
 * Credentials that end. They are renewed in the background before they do, by one request at a time; those at hand serve until
 * their end, whatever becomes of the renewal. Only without any does a request wait.
 */
import {
  CREDENTIALS_END_MS,
  CREDENTIALS_LONGEST_RETRY_MS,
  CREDENTIALS_RENEW_MS,
  CREDENTIALS_RETRY_MS,
  CREDENTIALS_TIMEOUT_MS,
} from '../../../store-limits.ts';
import { BackendUnavailable, type CredentialStatus } from '../../backend.ts';
import type { CredentialSource, Credentials, OnCredentialEvent } from './credential-source.ts';

export interface Given {
  readonly credentials: Credentials;
  /** Milliseconds since 1970; undefined: they do not end. */
  readonly expires: number | undefined;
}

interface Held extends Given {
  /** When they are used no more, and when others are asked for. */
  readonly usedUntil: number;
  readonly renewAt: number;
}

export class RenewedCredentials implements CredentialSource {
  readonly #fetch: () => Promise<Given>;
  readonly #onEvent: OnCredentialEvent;
  readonly #now: () => number;
  #held: Held | undefined;
  #renewal: Promise<Credentials> | undefined;
  #failures = 0;
  #failuresInRow = 0;
  #lastFailure: Error | undefined;
  #retryAt = 0;

  constructor(o: { fetch: () => Promise<Given>; onEvent?: OnCredentialEvent | undefined; now?: () => number }) {
    this.#fetch = o.fetch;
    this.#onEvent = o.onEvent ?? (() => undefined);
    this.#now = o.now ?? Date.now;
  }

  get status(): CredentialStatus {
    return { expires: this.#held?.expires, failures: this.#failures };
  }

  current(): Credentials | Promise<Credentials> {
    const now = this.#now();
    const held = this.#held;
    const mayAsk = now >= this.#retryAt;
    if (held !== undefined && now < held.usedUntil) {
      if (now >= held.renewAt && mayAsk) this.#renew().catch(() => undefined);
      return held.credentials;
    }
    // Each of a thousand waiting requests must not ask anew after one was refused.
    if (this.#renewal === undefined && !mayAsk) return Promise.reject(without(this.#lastFailure));
    return this.#renew();
  }

  #renew(): Promise<Credentials> {
    if (this.#renewal === undefined) {
      this.#renewal = this.#attempt().finally(() => {
        this.#renewal = undefined;
      });
      // The caller may be gone when the renewal fails. The failure was reported as an event.
      this.#renewal.catch(() => undefined);
    }
    return this.#renewal;
  }

  async #attempt(): Promise<Credentials> {
    try {
      return this.#hold(await inTime(this.#fetch()));
    } catch (cause) {
      const error = cause instanceof Error ? cause : new Error('unknown failure');
      this.#failures += 1;
      this.#lastFailure = error;
      const pause = Math.min(CREDENTIALS_RETRY_MS * 2 ** this.#failuresInRow, CREDENTIALS_LONGEST_RETRY_MS);
      this.#failuresInRow += 1;
      this.#retryAt = this.#now() + pause;
      this.#onEvent({ kind: 'failed', error, expires: this.#held?.expires });
      throw without(error);
    }
  }

  #hold(given: Given): Credentials {
    const now = this.#now();
    const { expires } = given;
    const before = this.#held;
    this.#failuresInRow = 0;
    this.#retryAt = now + CREDENTIALS_RETRY_MS;
    const life = expires === undefined ? Number.POSITIVE_INFINITY : expires - now;
    if (life <= 0) throw new Error('they had ended already');
    const renewAt = expires === undefined ? life : expires - Math.min(CREDENTIALS_RENEW_MS, life / 2);
    const usedUntil = expires === undefined ? life : expires - Math.min(CREDENTIALS_END_MS, life / 10);
    const isSame = before !== undefined && before.credentials.accessKeyId === given.credentials.accessKeyId;
    const isUnchanged = isSame && before.credentials.sessionToken === given.credentials.sessionToken;
    // The same object while they are the same, since signing keys are kept with it.
    const credentials = isUnchanged ? before.credentials : given.credentials;
    this.#held = { credentials, expires, usedUntil, renewAt };
    if (!isUnchanged) this.#onEvent({ kind: 'renewed', expires });
    return credentials;
  }
}

function without(cause: Error | undefined): BackendUnavailable {
  const options = { cause, transport: 'NO_CREDENTIALS' };
  return new BackendUnavailable('there are no credentials for it', options);
}

async function inTime(given: Promise<Given>): Promise<Given> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Error(`nothing came within ${CREDENTIALS_TIMEOUT_MS / 1000} s`)),
      CREDENTIALS_TIMEOUT_MS,
    );
  });
  try {
    return await Promise.race([given, late]);
  } finally {
    clearTimeout(timer);
  }
}
