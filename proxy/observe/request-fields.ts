/**
 * The fields of a request in the log. The log never has a query string, the value of a header other than User-Agent and Host, or a
 * whole access key id: presigned URLs are credentials.
 */
import type { IncomingMessage } from 'node:http';
import type { TLSSocket } from 'node:tls';
import { shownPath } from '../http/credentials-path.ts';
import type { OwnCut } from '../http/own-cuts.ts';
import type { S3Request } from '../http/request.ts';
import { MAX_LOGGED_CHARACTERS } from '../running-limits.ts';

export interface RequestLine {
  readonly time: Date;
  readonly requestId: string;
  /** S3's name of the operation; `none` when the request was refused before one was found. */
  readonly operation: string;
  readonly method: string;
  /** Raw, without the query. */
  readonly path: string;
  readonly bucket: string | undefined;
  readonly key: string | undefined;
  readonly versionId: string | undefined;
  readonly status: number;
  readonly code: string | undefined;
  /** Whether the reply began and did not end. */
  readonly cut: boolean;
  readonly cutBy: OwnCut | undefined;
  readonly tenant: string | undefined;
  /** Fingerprint of the access key id. */
  readonly accessKey: string | undefined;
  /** Where it comes from; undefined when that is not known. */
  readonly client: string | undefined;
  readonly agent: string | undefined;
  readonly host: string | undefined;
  /** Bytes of the request's body that were read, and of the reply's body that were sent. */
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Content-Length of a reply with an object. */
  readonly objectBytes: number | undefined;
  /** Milliseconds: in all, until the head of the reply, and waiting for the store. */
  readonly ms: number;
  readonly firstByteMs: number | undefined;
  readonly backendMs: number;
  readonly backendRequests: number;
  /** `TLSv1.3`; absent over plain HTTP. */
  readonly tls: string | undefined;
  readonly cipher: string | undefined;
  /** How the request was signed. */
  readonly authentication: 'AuthHeader' | 'QueryString' | undefined;
}

/** The fields that the request itself gives. For a request that could not be parsed, the connection gives them. */
export function requestFields(
  incoming: IncomingMessage,
  request: S3Request | undefined,
  client: string | undefined,
): Pick<
  RequestLine,
  'method' | 'path' | 'bucket' | 'key' | 'versionId' | 'client' | 'agent' | 'host' | 'tls' | 'cipher' | 'authentication'
> {
  const socket: Partial<Pick<TLSSocket, 'getProtocol' | 'getCipher'>> = incoming.socket as TLSSocket;
  return {
    method: incoming.method ?? '',
    path: bounded(request?.path ?? shownPath(incoming.url?.split('?', 1)[0] ?? '/')) ?? '/',
    bucket: request?.bucket,
    key: request?.key,
    versionId: bounded(request?.query.get('versionId')),
    client,
    agent: bounded(request?.header('user-agent')),
    host: bounded(request?.header('host')),
    tls: socket.getProtocol?.() ?? undefined,
    cipher: socket.getCipher?.()?.standardName,
    authentication: authenticationOf(request),
  };
}

function authenticationOf(request: S3Request | undefined): RequestLine['authentication'] {
  if (request?.header('authorization') !== undefined) return 'AuthHeader';
  return request?.query.has('X-Amz-Signature') === true ? 'QueryString' : undefined;
}

/** Shortens text that comes from outside and may be long. */
function bounded(text: string | undefined): string | undefined {
  return text === undefined || text.length <= MAX_LOGGED_CHARACTERS
    ? text
    : `${text.slice(0, MAX_LOGGED_CHARACTERS)}...`;
}
