/**
 * The backend for any S3-compatible endpoint: builds the target, signs it with the proxy's own credentials, and sends it
 * over connections of its own. It retries only what cannot have happened: a request on a kept connection that the store had
 * closed meanwhile. Statuses are never retried here.
 */
import {
  BACKEND_CONNECT_TIMEOUT_MS,
  BACKEND_CONTINUE_MS,
  BACKEND_COPY_TIMEOUT_MS,
  BACKEND_IDLE_TIMEOUT_MS,
  BACKEND_STALE_MS,
} from '../../limits.ts';
import type { Backend, BackendRequest, BackendResponse } from '../backend.ts';
import { Connections } from './connections.ts';
import { ContinueHabit } from './continue-habit.ts';
import { type CredentialSource, type Credentials, fixedCredentials } from './credentials/credential-source.ts';
import { ExpectationRefused, exchange, StaleConnection } from './exchange.ts';
import type { ClientTls } from './open-socket.ts';
import { RequestBody } from './request-body.ts';
import { signRequest } from './sign.ts';
import { requestTarget } from './target.ts';

/** With a source of credentials, or with one key pair. */
export type S3BackendOptions = S3Store & ({ readonly credentials: CredentialSource } | Credentials);

export interface S3Store {
  /** `http(s)://host[:port]`, without a path. */
  readonly endpoint: URL;
  readonly region: string;
  /** `false`: virtual-host style for bucket names that are one DNS label; others are addressed by path all the same. */
  readonly pathStyle: boolean;
  readonly tls?: ClientTls | undefined;
  /** `http(s)://[user:password@]host[:port]`: an HTTP proxy through which an https:// endpoint is reached. */
  readonly proxy?: URL | undefined;
  /** Connections at most; BACKEND_SOCKETS by default. */
  readonly sockets?: number;
  /** Other waits than those of limits.ts, in milliseconds. */
  readonly timeouts?: {
    readonly connectMs?: number;
    readonly continueMs?: number;
    readonly continuePauseMs?: number;
    readonly idleMs?: number;
    readonly staleMs?: number;
  };
}

export interface S3Backend extends Backend {
  /** Signs with these from the next request on. */
  useCredentials(credentials: CredentialSource): void;
  /** The next connections are made with these. */
  useTls(tls: ClientTls): void;
}

/** @throws TypeError for an endpoint that is not http(s), or has a path, a query or credentials. */
export function openS3Backend(o: S3BackendOptions): S3Backend {
  const { endpoint } = o;
  assertEndpoint(endpoint);
  let source = 'credentials' in o ? o.credentials : fixedCredentials(o);
  const shared = { endpoint, tls: o.tls, proxy: o.proxy, most: o.sockets };
  const kept = new Connections({ ...shared, keeps: true });
  const own = new Connections({ ...shared, keeps: false });
  const connectMs = o.timeouts?.connectMs ?? BACKEND_CONNECT_TIMEOUT_MS;
  const continueMs = o.timeouts?.continueMs ?? BACKEND_CONTINUE_MS;
  const idleMs = o.timeouts?.idleMs ?? BACKEND_IDLE_TIMEOUT_MS;
  const staleMs = o.timeouts?.staleMs ?? BACKEND_STALE_MS;
  const habit = new ContinueHabit({ firstPauseMs: o.timeouts?.continuePauseMs });

  async function attempt(
    request: BackendRequest,
    body: RequestBody | undefined,
    how: { fresh: boolean; asks: boolean },
  ) {
    const repeatable = isRepeatable(request);
    const asks = how.asks && body !== undefined && body.length > 0 && !repeatable && habit.takeTurn();
    const fresh = how.fresh || !(asks || repeatable);
    const target = requestTarget(o, request);
    const inForce = source.current();
    const credentials = inForce instanceof Promise ? await inForce : inForce;
    const headers = signRequest(
      { method: request.method, ...target, headers: sentHeaders(request, body), hasBody: (body?.length ?? 0) > 0 },
      { credentials, region: o.region },
    );
    return exchange({
      connections: fresh ? own : kept,
      hostname: target.hostname,
      method: request.method,
      path: target.path,
      headers: fresh ? { ...headers, connection: 'close' } : headers,
      body,
      lends: request.lends,
      connectMs,
      idleMs: movesDataInside(request) ? Math.max(idleMs, BACKEND_COPY_TIMEOUT_MS) : idleMs,
      staleMs,
      expectation: asks ? { waitMs: continueMs, habit } : undefined,
      secrets: secretsOf(credentials),
      signal: request.signal,
    });
  }

  async function send(request: BackendRequest): Promise<BackendResponse> {
    const body = request.body === undefined ? undefined : new RequestBody(request.body);
    try {
      return await attempt(request, body, { fresh: false, asks: true });
    } catch (error) {
      const isRefused = error instanceof ExpectationRefused;
      if (!isRefused && (!(error instanceof StaleConnection) || own.isClosed)) throw error;
      // The failure may come from a resumed session. It must not fail the second time, too.
      own.forgetSessions();
      return await attempt(request, body, { fresh: true, asks: !isRefused });
    }
  }

  return {
    description: endpoint.origin,
    credentials: {
      get status() {
        return source.status;
      },
    },
    send,
    useCredentials(next) {
      source = next;
    },
    useTls(next) {
      kept.useTls(next);
      own.useTls(next);
    },
    async close() {
      kept.close();
      own.close();
    },
  };
}

/**
 * May the request be sent twice, should a kept connection die under it? Not a stream; not a conditional write, which the
 * second time would fail on what the first one stored; not the start of an upload, which would be left behind. Such a
 * request asks for 100 Continue before its body, or else travels on a connection of its own.
 */
function isRepeatable(request: BackendRequest): boolean {
  const { method, headers = {}, query = [] } = request;
  if (request.body !== undefined && !Buffer.isBuffer(request.body)) return false;
  if (method === 'GET' || method === 'HEAD') return true;
  if (Object.keys(headers).some((name) => name.startsWith('if-'))) return false;
  return !(method === 'POST' && query.some(([name]) => name === 'uploads'));
}

/** A copy or a Complete may take the store minutes of silence. */
function movesDataInside({ method, headers, query }: BackendRequest): boolean {
  if (method === 'PUT') return headers?.['x-amz-copy-source'] !== undefined;
  return method === 'POST' && query?.some(([name]) => name === 'uploadId') === true;
}

/** S3 wants a length with every PUT and POST, an empty one included. */
function sentHeaders(request: BackendRequest, body: RequestBody | undefined): Record<string, string> {
  const headers: Record<string, string> = { ...request.headers };
  const sendsLength = body !== undefined || request.method === 'PUT' || request.method === 'POST';
  if (sendsLength) headers['content-length'] = String(body?.length ?? 0);
  return headers;
}

/** As BackendResponse has it: one array for each key pair. */
const secretsByCredentials = new WeakMap<Credentials, readonly string[]>();

function secretsOf(credentials: Credentials): readonly string[] {
  const known = secretsByCredentials.get(credentials);
  if (known !== undefined) return known;
  const { accessKeyId, sessionToken } = credentials;
  const secrets = sessionToken === undefined ? [accessKeyId] : [accessKeyId, sessionToken];
  secretsByCredentials.set(credentials, secrets);
  return secrets;
}

function assertEndpoint(endpoint: URL): void {
  if (endpoint.protocol !== 'http:' && endpoint.protocol !== 'https:') {
    throw new TypeError('The backend endpoint must be http:// or https://');
  }
  if (endpoint.pathname !== '/' || endpoint.search !== '' || endpoint.hash !== '') {
    throw new TypeError('The backend endpoint must be a host and a port, without a path');
  }
  if (endpoint.username !== '' || endpoint.password !== '') {
    throw new TypeError('The backend endpoint must not hold credentials');
  }
}
