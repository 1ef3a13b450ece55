/**
 * One request on one connection, and its response. Everything that can end it (the store's answer, a reset, a timeout, a
 * failing body, an abort) meets here, and exactly one of them settles it; afterwards no timer, listener or half-used
 * connection remains.
 */
import { performance } from 'node:perf_hooks';
import { type BackendRequest, type BackendResponse, BackendUnavailable } from '../backend.ts';
import type { Connection, ConnectionUser } from './connection.ts';
import type { Connections } from './connections.ts';
import type { ContinueHabit } from './continue-habit.ts';
import type { RequestBody } from './request-body.ts';
import { renderHead } from './request-head.ts';
import type { ResponseBody } from './response-body.ts';
import { MalformedResponse, type ResponseHead } from './response-head.ts';

/** A kept connection, or a kept TLS session, was of no use any more; and sending again can do no harm. */
export class StaleConnection extends BackendUnavailable {}

/** The store does not want `Expect: 100-continue`; the body is untouched. */
export class ExpectationRefused extends BackendUnavailable {}

/** The body waits for 100 Continue, `waitMs` milliseconds at most. */
export interface Expectation {
  readonly waitMs: number;
  readonly habit: ContinueHabit;
}

export interface ExchangeOptions {
  readonly connections: Connections;
  readonly hostname: string;
  readonly method: string;
  /** Request target, sent as it is. */
  readonly path: string;
  /** Signed headers, with host and content-length. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: RequestBody | undefined;
  readonly lends: BackendRequest['lends'];
  /** Milliseconds for a connection to be made, TLS handshake included. */
  readonly connectMs: number;
  /** Milliseconds without a byte, while it is the store's turn; also for a connection to become free. */
  readonly idleMs: number;
  /** Milliseconds within which a dead connection shows. */
  readonly staleMs: number;
  /** `undefined`: the body is sent at once. */
  readonly expectation: Expectation | undefined;
  /** As BackendResponse has it. */
  readonly secrets: readonly string[];
  readonly signal: AbortSignal;
}

/**
 * @throws BackendUnavailable (or one of its kinds above); what the body's source threw, once the connection is closed;
 *   the signal's reason.
 */
export function exchange(o: ExchangeOptions): Promise<BackendResponse> {
  return new Promise((resolve, reject) => {
    if (o.signal.aborted) reject(o.signal.reason);
    else new Exchange(o, resolve, reject).start();
  });
}

class Exchange implements ConnectionUser {
  readonly #options: ExchangeOptions;
  readonly #resolve: (response: BackendResponse) => void;
  readonly #reject: (reason: unknown) => void;
  readonly #onAbort: () => void;
  readonly #head: string;
  #connection: Connection | undefined;
  #waitNoLonger: (() => void) | undefined;
  #response: ResponseBody | undefined;
  #connectTimer: NodeJS.Timeout | undefined;
  #continueTimer: NodeJS.Timeout | undefined;
  #isUnanswered = false;
  /** When it got its connection, by the clock of `performance.now`. */
  #begun = 0;
  #bodyStarted = false;
  /** Why it failed, if it did. */
  #failure: { readonly reason: unknown } | undefined;

  constructor(o: ExchangeOptions, resolve: (response: BackendResponse) => void, reject: (reason: unknown) => void) {
    this.#options = o;
    this.#resolve = resolve;
    this.#reject = reject;
    const expect = o.expectation === undefined ? o.headers : { ...o.headers, expect: '100-continue' };
    this.#head = renderHead({ method: o.method, path: o.path, headers: expect });
    this.#onAbort = () => this.#fail(o.signal.reason);
  }

  get method(): string {
    return this.#options.method;
  }

  lends({ status, headers }: ResponseHead): boolean {
    return status < 300 && this.#options.lends?.(headers) === true;
  }

  start(): void {
    const { connections, hostname, signal, idleMs } = this.#options;
    signal.addEventListener('abort', this.#onAbort, { once: true });
    try {
      const given = (connection: Connection) => this.#onConnection(connection);
      this.#waitNoLonger = connections.take(hostname, given, (reason) => this.#fail(reason));
    } catch (error) {
      this.#fail(error);
    }
    if (this.#failure !== undefined) return;
    if (this.#connection === undefined)
      this.#armConnectTimer(idleMs, 'no connection became free', 'NO_FREE_CONNECTION');
  }

  #onConnection(connection: Connection): void {
    clearTimeout(this.#connectTimer);
    const { body, expectation, connectMs, idleMs } = this.#options;
    this.#connection = connection;
    this.#begun = performance.now();
    connection.begin(this);
    connection.watch(idleMs);
    if (!connection.isConnected) {
      this.#armConnectTimer(connectMs, 'the connection was not made in time', 'CONNECT_TIMEOUT');
    }
    if (body === undefined) connection.writeAlone(this.#head);
    else connection.write(this.#head);
    if (expectation !== undefined) {
      if (connection.isConnected) this.#armContinueTimer();
    } else if (body !== undefined) this.#sendBody(body);
  }

  onConnected(): void {
    clearTimeout(this.#connectTimer);
    this.#armContinueTimer();
  }

  #armConnectTimer(ms: number, reason: string, transport: string): void {
    this.#connectTimer = setTimeout(() => this.#fail(new BackendUnavailable(reason, { transport })), ms);
  }

  #armContinueTimer(): void {
    const { body, expectation } = this.#options;
    if (expectation === undefined || body === undefined || this.#bodyStarted || this.#failure !== undefined) return;
    this.#continueTimer = setTimeout(() => {
      this.#isUnanswered = true;
      expectation.habit.ignored();
      this.#sendBody(body);
    }, expectation.waitMs);
  }

  /** A store may send 100 more than once, unasked, and after the timer. */
  onContinue(): void {
    const { body, expectation } = this.#options;
    if (this.#isUnanswered) expectation?.habit.late();
    else expectation?.habit.answered();
    if (body !== undefined) this.#sendBody(body);
  }

  #sendBody(body: RequestBody): void {
    clearTimeout(this.#continueTimer);
    const connection = this.#connection;
    if (connection === undefined || this.#bodyStarted || this.#failure !== undefined || this.#response !== undefined)
      return;
    this.#bodyStarted = true;
    body.send(connection)?.catch((error: unknown) => {
      // Once the store has answered, or the exchange has failed, the source's complaints about being stopped are moot.
      if (this.#response === undefined) this.#fail(error);
    });
  }

  onDrain(): void {
    this.#options.body?.drained();
  }

  onIdle(): void {
    const { idleMs, body } = this.#options;
    if (this.#response?.isUnread === true || body?.waitingForSource === true) this.#connection?.watch(idleMs);
    else this.#fail(new BackendUnavailable(`nothing was heard for ${idleMs / 1000} s`, { transport: 'IDLE_TIMEOUT' }));
  }

  onResponse({ status, headers }: ResponseHead, response: ResponseBody): void {
    const { body } = this.#options;
    // The response may fail while nobody reads it, or may never be read.
    response.on('error', ignore);
    if (body !== undefined && !body.complete) this.#refuseEarly(status);
    this.#response = response;
    clearTimeout(this.#continueTimer);
    body?.stop();
    const { secrets } = this.#options;
    this.#resolve({ status, headers, body: response, secrets });
  }

  /** An answer before the end of the body can only refuse it. @throws BackendUnavailable for any other */
  #refuseEarly(status: number): void {
    const habit = this.#bodyStarted ? undefined : this.#options.expectation?.habit;
    if (status === 417 && !this.#bodyStarted) {
      habit?.refused();
      throw new ExpectationRefused('it refuses Expect');
    }
    if (status < 300) throw new BackendUnavailable('it confirmed a body that it had not yet got');
    // A refusal in place of 100 Continue is an answer, too.
    habit?.answered();
  }

  onComplete(): void {
    this.#clear();
    // The unsent rest of the request will never be sent: the connection is closed instead.
    if (this.#options.body?.complete === false) this.#connection?.destroy();
  }

  onClosed(error: NodeJS.ErrnoException | undefined): void {
    this.#clear();
    this.#options.body?.stop();
    const reason = this.#failure === undefined ? this.#transportFailure(error) : this.#failure.reason;
    if (this.#response === undefined) this.#reject(reason);
    else this.#response.destroy(reason instanceof Error ? reason : new Error(String(reason)));
  }

  /** Ends everything. Before the response the promise rejects, once the connection is closed; after it, the body errors. */
  #fail(reason: unknown): void {
    if (this.#failure !== undefined) return;
    this.#failure = { reason };
    this.#clear();
    this.#options.body?.stop();
    this.#waitNoLonger?.();
    if (this.#connection === undefined) this.#reject(reason);
    else this.#connection.destroy();
  }

  #clear(): void {
    clearTimeout(this.#connectTimer);
    clearTimeout(this.#continueTimer);
    this.#options.signal.removeEventListener('abort', this.#onAbort);
  }

  #transportFailure(error: NodeJS.ErrnoException | undefined): BackendUnavailable {
    if (error instanceof BackendUnavailable) return error;
    const reason = error instanceof MalformedResponse ? error.message : (error?.code ?? error?.message ?? 'ECONNRESET');
    const { body, expectation, staleMs } = this.#options;
    const harmless = expectation === undefined ? body === undefined || body.repeatable : !this.#bodyStarted;
    const wasReused = (this.#connection?.uses ?? 0) > 1;
    const isSilent = this.#response === undefined && this.#connection?.hasHeard === false;
    // A store that worked on the request for long may have carried it out.
    const isSoon = performance.now() - this.#begun < staleMs;
    // A handshake that resumed a session carried no request, whatever became of it.
    const isResuming = this.#connection?.isResuming === true;
    const stale = harmless && isSilent && (isResuming || (isReset(error) && wasReused && isSoon));
    const options = { cause: error };
    return stale ? new StaleConnection(reason, options) : new BackendUnavailable(reason, options);
  }
}

/** Error codes with which a peer's close of a kept connection shows. */
const RESET_CODES: ReadonlySet<string> = new Set(['ECONNRESET', 'EPIPE', 'ECONNABORTED']);

/** Was the connection closed under the request by the other side? Without an error it was ended. */
function isReset(error: NodeJS.ErrnoException | undefined): boolean {
  return error === undefined || (error.code !== undefined && RESET_CODES.has(error.code));
}

function ignore(): void {}
