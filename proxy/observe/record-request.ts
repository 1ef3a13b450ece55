/** Records the end of a request, whatever its outcome: counts it, logs it, and closes its trace. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Caller } from '../access/authenticate.ts';
import { ownCutOf } from '../http/own-cuts.ts';
import type { S3Request } from '../http/request.ts';
import type { Pipeline } from '../pipeline-parts.ts';
import { requestFields } from './request-fields.ts';
import type { RequestScope } from './request-scope.ts';

/** What is known about a request. It may have been refused before it could be read. */
export interface KnownRequest {
  readonly id: string;
  /** By performance.now(). */
  readonly started: number;
  readonly scope: RequestScope;
  readonly request?: S3Request;
  readonly caller?: Caller;
  readonly operation?: { readonly name: string };
}

/** How it ended. */
export interface EndedRequest {
  readonly incoming: IncomingMessage;
  readonly outgoing: ServerResponse;
  readonly bytesIn: number;
  /** Codes: of the error that ended the request, and of a refusal that was answered in the words of another API. */
  readonly code: string | undefined;
  readonly refused: string | undefined;
}

export function recordRequest(
  { metrics, now, writeLine }: Pick<Pipeline, 'metrics' | 'now' | 'writeLine'>,
  known: KnownRequest,
  o: EndedRequest,
): void {
  const { outgoing, incoming } = o;
  const { id: requestId, started, scope, request, caller } = known;
  const ms = performance.now() - started;
  const operation = known.operation?.name ?? 'none';
  const cutBy = ownCutOf(outgoing);
  // The client went away before any reply: 499, as nginx calls it. That is no error of ours, but what we cut ourselves is.
  const status = outgoing.headersSent ? outgoing.statusCode : cutBy === undefined ? 499 : 503;
  const code = status === 499 || cutBy !== undefined ? o.refused : o.code;
  metrics.request({ operation, status, seconds: ms / 1000 });
  scope.trace?.end({
    operation,
    status,
    attributes: {
      'http.request.method': incoming.method ?? '',
      'sealgate.request_id': requestId,
      'sealgate.backend_requests': scope.backendRequests,
      ...(caller === undefined ? {} : { 'sealgate.tenant': caller.tenant.id }),
      ...(code === undefined ? {} : { 'error.type': code }),
    },
  });
  writeLine({
    ...requestFields(incoming, request, scope.client),
    time: now(),
    requestId,
    operation,
    status,
    code,
    cut: outgoing.headersSent && !outgoing.writableFinished && outgoing.destroyed,
    cutBy,
    tenant: caller?.tenant.id,
    accessKey: caller?.accessKey.fingerprint,
    bytesIn: o.bytesIn,
    bytesOut: scope.bytesOut,
    objectBytes: operation === 'GetObject' && code === undefined ? scope.bytesOut : undefined,
    ms,
    firstByteMs: scope.firstByteAt === undefined ? undefined : scope.firstByteAt - started,
    backendMs: scope.backendMs,
    backendRequests: scope.backendRequests,
  });
}
