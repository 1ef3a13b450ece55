/** How one exchange is put to node:http, and how its response and its errors are read back. */
import type http from 'node:http';
import type { IncomingMessage } from 'node:http';
import type { RequestOptions } from 'node:https';
import { MAX_BACKEND_HEAD_BYTES } from '../../limits.ts';
import type { RequestBody } from './request-body.ts';

export interface ExchangeOptions {
  readonly open: typeof http.request;
  readonly agent: http.Agent;
  /** Ask the store to close the connection afterwards. */
  readonly close: boolean;
  readonly hostname: string;
  readonly port: number;
  readonly method: string;
  /** Request target, sent as it is. */
  readonly path: string;
  /** Signed headers, with host and content-length. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: RequestBody | undefined;
  /** Milliseconds for a connection to be made, TLS handshake included. */
  readonly connectMs: number;
  /** Milliseconds without a byte, while it is the store's turn; also for a connection to become free. */
  readonly idleMs: number;
  /** Milliseconds to wait for 100 Continue before the body is sent; `undefined` to send it at once. */
  readonly continueMs: number | undefined;
  readonly signal: AbortSignal;
}

/** @see https://nodejs.org/api/http.html#httprequesturl-options-callback */
export function requestOptions(o: ExchangeOptions): RequestOptions {
  const headers = {
    ...o.headers,
    ...(o.continueMs === undefined ? {} : { expect: '100-continue' }),
    ...(o.close ? { connection: 'close' } : {}),
  };
  return {
    agent: o.agent,
    host: o.hostname,
    port: o.port,
    method: o.method,
    path: o.path,
    headers,
    setHost: false,
    timeout: o.idleMs,
    maxHeaderSize: MAX_BACKEND_HEAD_BYTES,
    joinDuplicateHeaders: true,
  };
}

/** Lower-case names; duplicates are joined with ', '. */
export function headersOf(response: IncomingMessage): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(response.headers)) {
    if (value !== undefined) headers[name] = Array.isArray(value) ? value.join(', ') : value;
  }
  return headers;
}

/** Error codes with which a peer's close of a kept connection shows. */
const RESET_CODES: ReadonlySet<string> = new Set(['ECONNRESET', 'EPIPE', 'ECONNABORTED']);

/** Was the connection closed under the request by the other side? */
export function isReset(error: NodeJS.ErrnoException): boolean {
  return error.code !== undefined && RESET_CODES.has(error.code);
}
