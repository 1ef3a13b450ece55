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
import { ExpectationRefused, exchange, StaleConnection } from './exchange.ts';
import { RequestBody } from './request-body.ts';
import { type Credentials, signRequest } from './sign.ts';
import { requestTarget } from './target.ts';

export interface S3BackendOptions {
  /** `http(s)://host[:port]`, without a path. */
  readonly endpoint: URL;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
  readonly region: string;
  /** `false`: virtual-host style for bucket names that are one DNS label; others are addressed by path all the same. */
  readonly pathStyle: boolean;
  /** `ca`: PEM text of the certificates to trust instead of the built-in ones. */
  readonly tls?: { ca?: string };
  /** Connections at most; BACKEND_SOCKETS by default. */
  readonly sockets?: number;
  /** Other waits than those of limits.ts, in milliseconds. */
  readonly timeouts?: {
    readonly connectMs?: number;
    readonly continueMs?: number;
    readonly idleMs?: number;
    readonly staleMs?: number;
  };
}

export interface S3Backend extends Backend {
  /** Signs with these from the next request on. */
  useCredentials(credentials: Credentials): void;
}

/** @throws TypeError for an endpoint that is not http(s), or has a path, a query or credentials. */
export function openS3Backend(o: S3BackendOptions): S3Backend {
  const { endpoint } = o;
  assertEndpoint(endpoint);
  const shared = { endpoint, ca: o.tls?.ca, most: o.sockets };
  const kept = new Connections({ ...shared, keeps: true });
  const own = new Connections({ ...shared, keeps: false });
  let credentials = credentialsOf(o);
  const connectMs = o.timeouts?.connectMs ?? BACKEND_CONNECT_TIMEOUT_MS;
  const continueMs = o.timeouts?.continueMs ?? BACKEND_CONTINUE_MS;
  const idleMs = o.timeouts?.idleMs ?? BACKEND_IDLE_TIMEOUT_MS;
  const staleMs = o.timeouts?.staleMs ?? BACKEND_STALE_MS;
  // Some stores never answer Expect. Asking them again would cost every upload the full wait.
  let expects = true;

  async function attempt(request: BackendRequest, body: RequestBody | undefined, how: { fresh: boolean }) {
    const repeatable = isRepeatable(request);
    const asks = expects && body !== undefined && body.length > 0 && !repeatable;
    const fresh = how.fresh || !(asks || repeatable);
    const target = requestTarget(o, request);
    const headers = signRequest(
      { method: request.method, ...target, headers: sentHeaders(request, body), hasBody: (body?.length ?? 0) > 0 },
      { credentials, region: o.region },
    );
    const { response, continueIgnored } = await exchange({
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
      continueMs: asks ? continueMs : undefined,
      secrets: [credentials.accessKeyId],
      signal: request.signal,
    });
    if (continueIgnored) expects = false;
    return response;
  }

  async function send(request: BackendRequest): Promise<BackendResponse> {
    const body = request.body === undefined ? undefined : new RequestBody(request.body);
    try {
      return await attempt(request, body, { fresh: false });
    } catch (error) {
      if (error instanceof ExpectationRefused) expects = false;
      else if (!(error instanceof StaleConnection) || own.isClosed) throw error;
      return await attempt(request, body, { fresh: true });
    }
  }

  return {
    description: endpoint.origin,
    send,
    useCredentials(next) {
      credentials = next;
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

function credentialsOf(o: S3BackendOptions): Credentials {
  const { accessKeyId, secretAccessKey, sessionToken } = o;
  return { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) };
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
