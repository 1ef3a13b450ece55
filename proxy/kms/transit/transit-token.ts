/**
 * The token that calls to OpenBao or Vault carry: given as it is, in a file that an agent renews, or got by a login (AppRole,
 * Kubernetes). It is renewed at two thirds of its life, once a second at most, whether or not requests come. A token that is
 * refused is replaced at once, by one login a second at most: an expired token and a policy that denies look the same.
 */
import { setTimeout } from 'node:timers/promises';
import type { TransitAuth } from '../../config/kms-config.ts';
import { readSmallFile } from '../../config/small-file.ts';
import { KMS_LOGIN_PAUSE_MS } from '../../kms-limits.ts';
import { MAX_SECRET_FILE_BYTES } from '../../limits.ts';
import { type JsonObject, type KmsReply, objectIn } from '../kms-http.ts';
import { KmsFailure } from '../provider.ts';
import { untilAborted } from '../until-aborted.ts';

/** A request to the server under `v1/`. @throws KmsFailure */
export type TransitSend = (
  o: { readonly path: string; readonly body?: JsonObject; readonly token?: string },
  signal: AbortSignal,
) => Promise<KmsReply>;

interface Held {
  readonly token: string;
  /** Milliseconds that it lives from now on, undefined for ever; and whether it can be renewed. */
  readonly lifeMs: number | undefined;
  readonly renewable: boolean;
}

export class TransitToken {
  readonly #auth: TransitAuth;
  readonly #send: TransitSend;
  readonly #now: () => number;
  #held: Held | undefined;
  #login: Promise<Held> | undefined;
  #lastLogin = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(o: { auth: TransitAuth; send: TransitSend; now?: () => number }) {
    this.#auth = o.auth;
    this.#send = o.send;
    this.#now = o.now ?? Date.now;
  }

  /** @throws KmsFailure */
  async current(signal: AbortSignal): Promise<string> {
    return (this.#held ?? (await this.#logIn(signal))).token;
  }

  /** The server refused it. The next caller gets another one. */
  refused(token: string): void {
    if (this.#held?.token === token) this.#held = undefined;
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  /** One at a time. It ends by its own timeouts: whoever began it may be gone, and others wait. */
  async #logIn(signal: AbortSignal): Promise<Held> {
    this.#login ??= this.#attempt(AbortSignal.timeout(LOGIN_TIMEOUT_MS)).finally(() => {
      this.#login = undefined;
    });
    return untilAborted(this.#login, signal, 'the login to the KMS');
  }

  async #attempt(signal: AbortSignal): Promise<Held> {
    const pause = this.#lastLogin + KMS_LOGIN_PAUSE_MS - this.#now();
    if (pause > 0) await setTimeout(Math.min(pause, KMS_LOGIN_PAUSE_MS));
    this.#lastLogin = this.#now();
    return this.#hold(await this.#newToken(signal));
  }

  #hold(held: Held): Held {
    this.#held = held;
    clearTimeout(this.#timer);
    if (held.lifeMs === undefined || this.#isClosed) return held;
    const wait = Math.max(KMS_LOGIN_PAUSE_MS, Math.min((held.lifeMs * 2) / 3, LONGEST_TIMER_MS));
    this.#timer = globalThis.setTimeout(() => void this.#renew(held), wait).unref();
    return held;
  }

  /** In the background: what fails here is met by the call that needs a token. */
  async #renew(held: Held): Promise<void> {
    try {
      const signal = AbortSignal.timeout(LOGIN_TIMEOUT_MS);
      const renewed = held.renewable ? await this.#renewed(held.token, signal) : undefined;
      if (renewed !== undefined) this.#hold(renewed);
      else if (this.#isClosed) return;
      else await this.#logIn(signal);
    } catch {
      // The token may live on: a third of its life is left.
      if (this.#held === held) this.#retryLater(held);
    }
  }

  #retryLater(held: Held): void {
    if (this.#isClosed) return;
    this.#timer = globalThis.setTimeout(() => void this.#renew(held), RENEW_RETRY_MS).unref();
  }

  /** `undefined`: it cannot be renewed any more, and another one is needed. */
  async #renewed(token: string, signal: AbortSignal): Promise<Held | undefined> {
    const { status, json } = await this.#send({ path: 'auth/token/renew-self', body: {}, token }, signal);
    const auth = objectIn(json, 'auth');
    const seconds = auth?.['lease_duration'];
    if (status !== 200 || typeof seconds !== 'number') return undefined;
    return { token, lifeMs: lifeOf(seconds), renewable: auth?.['renewable'] === true };
  }

  async #newToken(signal: AbortSignal): Promise<Held> {
    const auth = this.#auth;
    if (auth.kind === 'token') return this.#looked(auth.token, signal);
    if (auth.kind === 'token-file') return this.#looked(await textIn(auth.path), signal);
    if (auth.kind === 'approle') {
      const credentials = { role_id: auth.roleId, secret_id: await textIn(auth.secretIdPath) };
      return this.#loggedIn(auth.mount, credentials, signal);
    }
    return this.#loggedIn(auth.mount, { role: auth.role, jwt: await textIn(auth.jwtPath) }, signal);
  }

  /** A token that was given: how long it lives. One that may not be looked at is taken as it is. */
  async #looked(token: string, signal: AbortSignal): Promise<Held> {
    const { status, json } = await this.#send({ path: 'auth/token/lookup-self', token }, signal);
    // Taken as it is, it would never be renewed.
    if (isOutOfOrder(status)) throw new KmsFailure('unreachable', `the look at the token was answered with ${status}`);
    const data = objectIn(json, 'data');
    const seconds = data?.['ttl'];
    if (status !== 200 || typeof seconds !== 'number') return { token, lifeMs: undefined, renewable: false };
    return { token, lifeMs: lifeOf(seconds), renewable: data?.['renewable'] === true };
  }

  async #loggedIn(mount: string, body: JsonObject, signal: AbortSignal): Promise<Held> {
    const { status, json } = await this.#send({ path: `auth/${mount}/login`, body }, signal);
    const auth = objectIn(json, 'auth');
    const token = auth?.['client_token'];
    const seconds = auth?.['lease_duration'];
    if (status !== 200 || typeof token !== 'string' || typeof seconds !== 'number') {
      throw new KmsFailure(
        isOutOfOrder(status) ? 'unreachable' : 'denied',
        `the login at auth/${mount} answered ${status}`,
      );
    }
    return { token, lifeMs: lifeOf(seconds), renewable: auth?.['renewable'] === true };
  }
}

const LOGIN_TIMEOUT_MS = 5_000;
const RENEW_RETRY_MS = 5_000;
/** What a timer of Node takes. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

function isOutOfOrder(status: number): boolean {
  return status >= 500 || status === 429;
}

/** A token of 0 seconds does not end. */
function lifeOf(seconds: number): number | undefined {
  return seconds > 0 ? 1000 * seconds : undefined;
}

async function textIn(path: string): Promise<string> {
  const failure = class extends KmsFailure {
    constructor(message: string) {
      super('denied', message);
    }
  };
  const text = (await readSmallFile(path, { maxBytes: MAX_SECRET_FILE_BYTES, Failure: failure }))
    .toString('utf8')
    .trim();
  if (/^[\x21-\x7e]+$/.test(text)) return text;
  throw new KmsFailure('denied', `${path} does not hold one word`);
}
