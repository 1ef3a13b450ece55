/**
 * Connections to the backend. Most requests share kept connections, the one used last first; a request that must not be
 * repeated, or whose kept connection turned out to be dead, gets a connection of its own.
 */
import type { Buffer } from 'node:buffer';
import { performance } from 'node:perf_hooks';
import type { TLSSocket } from 'node:tls';
import { LRUCache } from 'lru-cache';
import { BACKEND_KEEP_ALIVE_MS, BACKEND_SOCKETS, BACKEND_TLS_SESSIONS } from '../../limits.ts';
import { BackendUnavailable } from '../backend.ts';
import { Connection } from './connection.ts';
import type { ClientTls, ConnectionOptions } from './open-socket.ts';
import type { ResponseHead } from './response-head.ts';

interface Waiting {
  readonly use: (connection: Connection) => void;
  readonly giveUp: (reason: BackendUnavailable) => void;
}

/** The connections to one host name. */
interface Host {
  open: number;
  readonly unused: Connection[];
  readonly waiting: Set<Waiting>;
}

export class Connections {
  #o: Omit<ConnectionOptions, 'hostname' | 'session'>;
  readonly #most: number;
  readonly #keeps: boolean;
  readonly #hosts = new Map<string, Host>();
  /** TLS sessions to resume, by host name. */
  readonly #sessions = new LRUCache<string, Buffer>({ max: BACKEND_TLS_SESSIONS });
  readonly #all = new Set<Connection>();
  #isClosed = false;
  /** Runs while there are unused connections. */
  #sweep: NodeJS.Timeout | undefined;

  /** `most`: to one host name, BACKEND_SOCKETS by default. `keeps`: whether they are used again. */
  constructor(o: {
    endpoint: URL;
    tls?: ClientTls | undefined;
    proxy?: URL | undefined;
    most?: number | undefined;
    keeps: boolean;
  }) {
    const secure = o.endpoint.protocol === 'https:';
    this.#o = { secure, port: Number(o.endpoint.port) || (secure ? 443 : 80), tls: o.tls, proxy: o.proxy };
    this.#most = o.most ?? BACKEND_SOCKETS;
    this.#keeps = o.keeps;
  }

  /** Gives a connection to `use`, at once or when one becomes free; `giveUp`: none ever will. @returns how to wait no longer */
  take(hostname: string, use: Waiting['use'], giveUp: Waiting['giveUp']): () => void {
    if (this.#isClosed) {
      giveUp(closed());
      return nothing;
    }
    const host = this.#host(hostname);
    for (let kept = host.unused.pop(); kept !== undefined; kept = host.unused.pop()) {
      if (!kept.isUsable) continue;
      if (kept.keptUntil > performance.now()) {
        use(kept);
        return nothing;
      }
      kept.destroy();
    }
    if (host.open < this.#most) {
      use(this.#connect(hostname, host));
      return nothing;
    }
    const waiting = { use, giveUp };
    host.waiting.add(waiting);
    return () => host.waiting.delete(waiting);
  }

  /** The next connections are made with these. */
  useTls(tls: ClientTls): void {
    this.#o = { ...this.#o, tls };
    this.forgetSessions();
  }

  /** The next connections make full handshakes. */
  forgetSessions(): void {
    this.#sessions.clear();
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Cuts all of them, and gives none any more. */
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#sweep);
    for (const { waiting } of this.#hosts.values())
      for (let next = first(waiting); next !== undefined; next = first(waiting)) next.giveUp(closed());
    for (const connection of this.#all) connection.destroy();
  }

  #host(hostname: string): Host {
    const known = this.#hosts.get(hostname);
    if (known !== undefined) return known;
    const host = { open: 0, unused: [], waiting: new Set<Waiting>() };
    this.#hosts.set(hostname, host);
    return host;
  }

  #connect(hostname: string, host: Host): Connection {
    const session = this.#sessions.get(hostname);
    const connection = new Connection({ ...this.#o, hostname, session }, (free, head) =>
      this.#onFree(host, free, head),
    );
    host.open += 1;
    this.#all.add(connection);
    if (this.#o.secure) (connection.socket as TLSSocket).on('session', (next) => this.#sessions.set(hostname, next));
    connection.socket.once('close', () => {
      // The session may be what the store refuses: the next handshake is a full one.
      if (!connection.hasServed) this.#sessions.delete(hostname);
      host.open -= 1;
      this.#all.delete(connection);
      const at = host.unused.indexOf(connection);
      if (at >= 0) host.unused.splice(at, 1);
      const next = first(host.waiting);
      if (next !== undefined) next.use(this.#connect(hostname, host));
      else if (host.open === 0) this.#hosts.delete(hostname);
    });
    return connection;
  }

  #onFree(host: Host, connection: Connection, head: ResponseHead): void {
    const ms = keptFor(head);
    if (!this.#keeps || ms <= 0) {
      connection.destroy();
      return;
    }
    const next = first(host.waiting);
    if (next !== undefined) {
      next.use(connection);
      return;
    }
    connection.keptUntil = performance.now() + ms;
    host.unused.push(connection);
    this.#sweep ??= setTimeout(() => this.#closeOld(), BACKEND_KEEP_ALIVE_MS).unref();
  }

  /** A timer for all of them: one for each would be set and cleared with every request. */
  #closeOld(): void {
    this.#sweep = undefined;
    const now = performance.now();
    let kept = 0;
    for (const { unused } of this.#hosts.values()) {
      for (const connection of unused) {
        if (connection.keptUntil <= now) connection.destroy();
        else kept += 1;
      }
    }
    if (kept > 0) this.#sweep = setTimeout(() => this.#closeOld(), BACKEND_KEEP_ALIVE_MS / 4).unref();
  }
}

/** Milliseconds: less than the store says that it waits for another request. */
function keptFor(head: ResponseHead): number {
  const seconds = /(?:^|[\s,;])timeout=(\d{1,6})/i.exec(head.headers['keep-alive'] ?? '')?.[1];
  if (seconds === undefined) return BACKEND_KEEP_ALIVE_MS;
  return Math.min(BACKEND_KEEP_ALIVE_MS, 1000 * (Number(seconds) - 1));
}

function closed(): BackendUnavailable {
  return new BackendUnavailable('its connections were closed');
}

function first(waiting: Set<Waiting>): Waiting | undefined {
  for (const next of waiting) {
    waiting.delete(next);
    return next;
  }
  return undefined;
}

function nothing(): void {}
