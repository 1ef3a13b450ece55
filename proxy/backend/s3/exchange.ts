/**
 * One request on one connection, and its response. Everything that can end it (the store's answer, a reset, a timeout, a
 * failing body, an abort) meets here, and exactly one of them settles it; afterwards no timer, listener or half-used
 * connection remains.
 */
import type { ClientRequest, IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { Readable } from 'node:stream';
import { type BackendResponse, BackendUnavailable } from '../backend.ts';
import { type ExchangeOptions, headersOf, isReset, requestOptions } from './node-http.ts';
import type { RequestBody } from './request-body.ts';

/** A kept connection was dead, most likely closed by the store while unused; and sending again can do no harm. */
export class StaleConnection extends BackendUnavailable {}

/** The store does not want `Expect: 100-continue`; the body is untouched. */
export class ExpectationRefused extends BackendUnavailable {}

export interface Exchanged {
  readonly response: BackendResponse;
  /** No 100 Continue came within `continueMs`. */
  readonly continueIgnored: boolean;
}

/**
 * @throws BackendUnavailable (or one of its kinds above); what the body's source threw, once the connection is closed;
 *   the signal's reason.
 */
export function exchange(o: ExchangeOptions): Promise<Exchanged> {
  return new Promise((resolve, reject) => {
    if (o.signal.aborted) reject(o.signal.reason);
    else new Exchange(o, resolve, reject);
  });
}

class Exchange {
  readonly #options: ExchangeOptions;
  readonly #request: ClientRequest;
  readonly #resolve: (value: Exchanged) => void;
  readonly #reject: (reason: unknown) => void;
  readonly #onAbort: () => void;
  #response: IncomingMessage | undefined;
  #connectTimer: NodeJS.Timeout | undefined;
  #continueTimer: NodeJS.Timeout | undefined;
  #continueIgnored = false;
  #bodyStarted = false;
  #failed = false;

  constructor(o: ExchangeOptions, resolve: (value: Exchanged) => void, reject: (reason: unknown) => void) {
    this.#options = o;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#request = o.open(requestOptions(o));
    this.#onAbort = () => this.#fail(o.signal.reason);
    o.signal.addEventListener('abort', this.#onAbort, { once: true });
    this.#armConnectTimer(o.idleMs, 'no connection became free');
    this.#request.on('socket', (socket) => this.#onSocket(socket));
    this.#request.on('error', (error: NodeJS.ErrnoException) => this.#fail(this.#transportFailure(error)));
    this.#request.on('timeout', () => this.#onIdle());
    this.#request.on('response', (response) => this.#onResponse(response));
    this.#request.on('close', () => this.#clear());
    this.#start();
  }

  #start(): void {
    const { body, continueMs } = this.#options;
    if (body === undefined) this.#request.end();
    else if (continueMs === undefined) this.#sendBody(body);
    else {
      // A store may send 100 more than once, and it may come after the timer.
      this.#request.on('continue', () => this.#sendBody(body));
      this.#request.flushHeaders();
    }
  }

  #onSocket(socket: Socket): void {
    clearTimeout(this.#connectTimer);
    const connected = () => {
      clearTimeout(this.#connectTimer);
      this.#armContinueTimer();
    };
    if (!socket.connecting) {
      connected();
      return;
    }
    this.#armConnectTimer(this.#options.connectMs, 'the connection was not made in time');
    socket.once(this.#request.protocol === 'https:' ? 'secureConnect' : 'connect', connected);
  }

  #armConnectTimer(ms: number, reason: string): void {
    this.#connectTimer = setTimeout(() => this.#fail(new BackendUnavailable(reason)), ms);
  }

  #armContinueTimer(): void {
    const { body, continueMs } = this.#options;
    if (continueMs === undefined || body === undefined || this.#bodyStarted || this.#failed) return;
    this.#continueTimer = setTimeout(() => {
      this.#continueIgnored = true;
      this.#sendBody(body);
    }, continueMs);
  }

  #sendBody(body: RequestBody): void {
    clearTimeout(this.#continueTimer);
    if (this.#bodyStarted || this.#failed || this.#response !== undefined) return;
    this.#bodyStarted = true;
    body.send(this.#request).catch((error: unknown) => {
      // Once the store has answered, or the exchange has failed, the source's complaints about being stopped are moot.
      if (this.#response === undefined) this.#fail(error);
    });
  }

  #onIdle(): void {
    const waitsForConsumer = this.#response !== undefined && this.#response.readableLength > 0;
    if (waitsForConsumer || this.#options.body?.waitingForSource === true) {
      this.#request.setTimeout(this.#options.idleMs);
      return;
    }
    this.#fail(new BackendUnavailable(`nothing was heard for ${this.#options.idleMs / 1000} s`));
  }

  #onResponse(response: IncomingMessage): void {
    if (this.#failed) return;
    const { body, method } = this.#options;
    const status = response.statusCode ?? 0;
    const unusable = body !== undefined && !body.complete ? this.#unusableEarly(status) : undefined;
    if (unusable !== undefined) {
      this.#fail(unusable);
      return;
    }
    this.#response = response;
    clearTimeout(this.#continueTimer);
    body?.stop();
    // A connection with the rest of a request still unsent is of no further use.
    response.once('close', () => {
      if (!this.#request.writableFinished) this.#request.destroy();
      this.#clear();
    });
    response.on('error', ignore);
    const empty = method === 'HEAD' || status === 204 || status === 304;
    if (empty) response.resume();
    this.#resolve({
      response: { status, headers: headersOf(response), body: empty ? emptyBody() : response },
      continueIgnored: this.#continueIgnored,
    });
  }

  /** An answer before the end of the body can only refuse it. */
  #unusableEarly(status: number): BackendUnavailable | undefined {
    if (status === 417 && !this.#bodyStarted) return new ExpectationRefused('it refuses Expect');
    return status < 300 ? new BackendUnavailable('it confirmed a body that it had not yet got') : undefined;
  }

  /** Ends everything. Before the response the promise rejects, once the connection is closed; after it, the body errors. */
  #fail(reason: unknown): void {
    if (this.#failed) return;
    this.#failed = true;
    this.#clear();
    this.#options.body?.stop();
    if (this.#response !== undefined) {
      this.#response.destroy(errorOf(reason));
      this.#request.destroy();
      return;
    }
    const { socket } = this.#request;
    this.#request.destroy();
    // A request still waiting for a connection would emit 'close' only once it got one.
    if (socket === null || socket.closed) this.#reject(reason);
    else socket.once('close', () => this.#reject(reason));
  }

  #clear(): void {
    clearTimeout(this.#connectTimer);
    clearTimeout(this.#continueTimer);
    this.#options.signal.removeEventListener('abort', this.#onAbort);
  }

  #transportFailure(error: NodeJS.ErrnoException): BackendUnavailable {
    const reason = error.code ?? error.message;
    const { body, continueMs } = this.#options;
    const harmless = continueMs === undefined ? body === undefined || body.repeatable : !this.#bodyStarted;
    const stale = isReset(error) && this.#request.reusedSocket && this.#response === undefined && harmless;
    return stale ? new StaleConnection(reason) : new BackendUnavailable(reason);
  }
}

function emptyBody(): Readable {
  const body = new Readable({ read: ignore });
  body.push(null);
  return body;
}

function errorOf(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason));
}

function ignore(): void {}
