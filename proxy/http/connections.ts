/**
 * All client connections of a listener, from accept to close. Each phase of a connection has an end, whatever its client does: a
 * PROXY header has PROXY_HEADER_TIMEOUT_MS, a handshake and a head have HEAD_TIMEOUT_MS, a pause between requests has
 * IDLE_TIMEOUT_MS, and a connection that was told its last word is destroyed after UNREAD_BODY_LINGER_MS. Requests under way have
 * limits of their own: least-rate.ts for what the client sends and reads, the limits towards the backend for the rest. One timer
 * looks after all of them.
 *
 * The end of a refused connection comes in two steps. The reply and the end of the stream are sent, and what the client still sends
 * is read and ignored for a while: to destroy a socket with unread bytes resets it, and a reset may overtake the reply.
 */
import type { Socket } from 'node:net';
import { PROXY_HEADER_TIMEOUT_MS } from '../address-limits.ts';
import { S3Error } from '../errors.ts';
import {
  CONNECTION_CHECK_MS,
  FREE_CONNECTIONS_DIVISOR,
  HEAD_TIMEOUT_MS,
  IDLE_TIMEOUT_MS,
  MAX_CONNECTIONS,
  UNREAD_BODY_LINGER_MS,
} from '../limits.ts';
import { LAST_CONNECTIONS_MS } from '../running-limits.ts';
import { Connection } from './connection.ts';
import { refusalText } from './refusal.ts';

/** For tests, which do not wait as long. */
export interface ConnectionLimits {
  readonly maxConnections?: number;
  readonly addressMs?: number;
  readonly headMs?: number;
  readonly idleMs?: number;
  readonly lingerMs?: number;
  readonly checkMs?: number;
}

/** The number of connections, for the operator. */
export interface ConnectionLoad {
  readonly open: number;
  readonly limit: number;
  /** From the moment when the last one is taken until one in ten is free. */
  readonly isFull: boolean;
  /** Connections refused so far because there were as many as there may be. */
  readonly refused: number;
}

export class Connections implements ConnectionLoad {
  readonly limit: number;
  readonly #addressMs: number;
  readonly #headMs: number;
  readonly #idleMs: number;
  readonly #lingerMs: number;
  readonly #checkMs: number;
  readonly #onFull: (isFull: boolean) => void;
  readonly #all = new Set<Connection>();
  readonly #bySocket = new WeakMap<Socket, Connection>();
  /** Connections in a TLS handshake, by their addresses: node gives no other way from the TLS socket to the accepted one. */
  readonly #handshakes = new Map<string, Connection>();
  #timer: NodeJS.Timeout | undefined;
  #isFull = false;
  #isDraining = false;
  #refused = 0;

  constructor(o: ConnectionLimits & { onFull?: (isFull: boolean) => void }) {
    this.limit = o.maxConnections ?? MAX_CONNECTIONS;
    this.#addressMs = o.addressMs ?? PROXY_HEADER_TIMEOUT_MS;
    this.#headMs = o.headMs ?? HEAD_TIMEOUT_MS;
    this.#idleMs = o.idleMs ?? IDLE_TIMEOUT_MS;
    this.#lingerMs = o.lingerMs ?? UNREAD_BODY_LINGER_MS;
    this.#checkMs = o.checkMs ?? CONNECTION_CHECK_MS;
    this.#onFull = o.onFull ?? (() => undefined);
  }

  get open(): number {
    return this.#all.size;
  }

  get isFull(): boolean {
    return this.#isFull;
  }

  get refused(): number {
    return this.#refused;
  }

  /**
   * Counts the connection and watches its time limits from now on. `proxied`: a PROXY header comes first; call `addressed` when it is
   * read. `secure`: a TLS handshake comes next; call `secured` when it is done.
   */
  accept(raw: Socket, o: { secure: boolean; proxied: boolean }): void {
    const isExcess = this.#all.size >= this.limit;
    if (isExcess) this.#refused += 1;
    const phase = o.proxied ? 'address' : phaseBehindHeader(o);
    const connection = new Connection(raw, { phase, isExcess, now: performance.now() });
    this.#all.add(connection);
    this.#bySocket.set(raw, connection);
    const addresses = addressesOf(raw);
    if (o.secure) this.#handshakes.set(addresses, connection);
    else this.#lingerInsteadOfDestroying(connection);
    raw.once('close', () => {
      this.#all.delete(connection);
      if (this.#handshakes.get(addresses) === connection) this.#handshakes.delete(addresses);
      this.#noteLoad();
    });
    this.#timer ??= setInterval(() => this.#check(), this.#checkMs).unref();
    this.#noteLoad();
  }

  /** The PROXY header of an accepted connection is read. `client`: undefined when the header does not say whose it is. */
  addressed(raw: Socket, o: { client: string | undefined; secure: boolean }): void {
    const connection = this.of(raw);
    if (connection === undefined) return;
    connection.client = o.client;
    connection.enter(phaseBehindHeader(o), performance.now());
  }

  /** The handshake of an accepted connection is done: `socket` is where its requests come on. */
  secured(socket: Socket): void {
    const addresses = addressesOf(socket);
    const connection = this.#handshakes.get(addresses);
    if (connection === undefined) {
      socket.destroy();
      return;
    }
    this.#handshakes.delete(addresses);
    connection.socket = socket;
    this.#bySocket.set(socket, connection);
    connection.enter('head', performance.now());
    this.#lingerInsteadOfDestroying(connection);
  }

  /** A connection that the listener did not accept, because even those to be refused were too many. */
  dropped(): void {
    this.#refused += 1;
    this.#noteLoad();
  }

  of(socket: Socket): Connection | undefined {
    return this.#bySocket.get(socket);
  }

  /**
   * A request has arrived. Call the function that is returned when its reply is sent or given up. `undefined`: the request must not
   * be served.
   */
  begin(connection: Connection): (() => void) | undefined {
    if (connection.phase === 'closing' || connection.refusal !== undefined) return undefined;
    connection.begin(performance.now());
    return () => {
      connection.end(performance.now());
      if (connection.requests > 0 || connection.phase === 'closing') return;
      if (connection.refusal !== undefined) this.#refuse(connection, connection.refusal);
      else if (this.#isDraining) this.#linger(connection);
    };
  }

  /**
   * Serves no further request of this connection. Requests under way are answered first: the refusal belongs to what came after
   * them.
   */
  refuse(connection: Connection, refusal: S3Error): void {
    if (connection.phase === 'closing' || connection.refusal !== undefined) return;
    if (isBeforeHead(connection) || !connection.socket.writable) connection.destroy();
    else if (connection.requests > 0) {
      connection.refusal = refusal;
      connection.break();
    } else this.#refuse(connection, refusal);
  }

  /**
   * Connections between requests are closed now, the others when their requests are done. One that has just come may bring its first
   * request within LAST_CONNECTIONS_MS.
   */
  drain(): void {
    this.#isDraining = true;
    this.#check();
    // Those that are there now are all there are: nothing is accepted any more.
    setTimeout(() => this.#check(), LAST_CONNECTIONS_MS).unref();
  }

  destroyAll(): void {
    for (const connection of this.#all) connection.destroy();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #refuse(connection: Connection, refusal: S3Error): void {
    connection.socket.write(refusalText(refusal));
    this.#linger(connection);
  }

  #linger(connection: Connection): void {
    if (connection.phase === 'closing') return;
    connection.enter('closing', performance.now());
    connection.socket.end();
  }

  /** Node calls this after a reply with `Connection: close`; its own destroys at once, with bytes unread. */
  #lingerInsteadOfDestroying(connection: Connection): void {
    connection.socket.destroySoon = () => this.#linger(connection);
  }

  #check(): void {
    const now = performance.now();
    for (const connection of this.#all) this.#checkOne(connection, now);
  }

  #checkOne(connection: Connection, now: number): void {
    const age = connection.age(now);
    switch (connection.phase) {
      case 'address':
        if (age >= Math.min(this.#addressMs, this.#firstRequestMs)) connection.destroy();
        return;
      case 'handshake':
        if (age >= this.#firstRequestMs) connection.destroy();
        return;
      case 'head':
        if (age < (connection.hasReceived ? this.#headMs : this.#firstRequestMs)) return;
        // A connection that was opened ahead and never used gets no reply: a client would take it for that to its next request.
        if (connection.hasReceived) this.refuse(connection, new S3Error('RequestTimeout'));
        else connection.destroy();
        return;
      case 'idle':
        if (connection.hasReceived) connection.enter('head', now);
        else if (this.#isDraining || age >= this.#idleMs) connection.destroy();
        return;
      case 'closing':
        if (age >= this.#lingerMs) connection.destroy();
        return;
      case 'request':
        return;
    }
  }

  /** Milliseconds for a connection that has not begun with any request. */
  get #firstRequestMs(): number {
    return this.#isDraining ? Math.min(this.#headMs, LAST_CONNECTIONS_MS) : this.#headMs;
  }

  #noteLoad(): void {
    const { size } = this.#all;
    const enough = this.limit - Math.max(1, Math.floor(this.limit / FREE_CONNECTIONS_DIVISOR));
    if (this.#isFull ? size > enough : size < this.limit) return;
    this.#isFull = !this.#isFull;
    this.#onFull(this.#isFull);
  }
}

function phaseBehindHeader(o: { secure: boolean }): 'handshake' | 'head' {
  return o.secure ? 'handshake' : 'head';
}

/** Nothing can be said on it yet that its client would understand. */
function isBeforeHead({ phase }: Connection): boolean {
  return phase === 'address' || phase === 'handshake';
}

function addressesOf({ localAddress, localPort, remoteAddress, remotePort }: Socket): string {
  return `${localAddress} ${localPort} ${remoteAddress} ${remotePort}`;
}
