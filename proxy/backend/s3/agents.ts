/**
 * Connections to the backend. Most requests share a pool of kept connections; a request that must not be repeated, or
 * whose kept connection turned out to be dead, gets a connection of its own.
 */
import http from 'node:http';
import https from 'node:https';
import { BACKEND_KEEP_ALIVE_MS, BACKEND_SOCKETS } from '../../limits.ts';

export interface Agents {
  readonly request: typeof http.request;
  readonly kept: http.Agent;
  readonly fresh: http.Agent;
  close(): void;
}

/** `ca`: certificates to trust instead of the built-in ones, as PEM text. */
export function openAgents(o: {
  endpoint: URL;
  tls?: { ca?: string } | undefined;
  sockets?: number | undefined;
}): Agents {
  const maxSockets = o.sockets ?? BACKEND_SOCKETS;
  const shared = {
    maxSockets,
    noDelay: true,
    ...(o.tls?.ca === undefined ? {} : { ca: o.tls.ca }),
  };
  const secure = o.endpoint.protocol === 'https:';
  const open = (options: http.AgentOptions) => (secure ? new https.Agent(options) : new http.Agent(options));
  const kept = open({ ...shared, keepAlive: true, scheduling: 'lifo', timeout: BACKEND_KEEP_ALIVE_MS });
  const fresh = open({ ...shared, keepAlive: false });
  return {
    request: secure ? https.request : http.request,
    kept,
    fresh,
    close() {
      kept.destroy();
      fresh.destroy();
    },
  };
}
