/**
 * What is measured about one request on its way: how long the store took, how much was sent. It follows the request through
 * asynchronous calls, so code that asks the store need not know for which request it does.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { Backend, BackendRequest, BackendResponse } from '../backend/backend.ts';
import type { DecisionEvent, SecurityEvent } from './events.ts';
import type { RequestTrace } from './tracing.ts';

/** An event that the audit keeps until it is known what the request came to. */
export interface HeldEvent {
  readonly event: SecurityEvent | DecisionEvent;
  readonly time: string;
}

export interface RequestScope {
  /** Milliseconds from each request to the store until the head of its answer, added up: more than passed where some ran at once. */
  backendMs: number;
  backendRequests: number;
  /** Bytes of the reply's body that were handed to the socket. */
  bytesOut: number;
  /** When the reply's head was sent, by performance.now(). */
  firstByteAt: number | undefined;
  /** Where the request comes from; undefined when that is not known. */
  readonly client: string | undefined;
  /** Where traces are on. */
  readonly trace: RequestTrace | undefined;
  /** For the audit; undefined once it was told what the request came to. */
  held: HeldEvent[] | undefined;
}

export function newScope(o: { client?: string | undefined; trace?: RequestTrace | undefined } = {}): RequestScope {
  const { client, trace } = o;
  return { backendMs: 0, backendRequests: 0, bytesOut: 0, firstByteAt: undefined, client, trace, held: [] };
}

const scopes = new AsyncLocalStorage<RequestScope>();

export function inScope<T>(scope: RequestScope, work: () => T): T {
  return scopes.run(scope, work);
}

/** Where the request comes from for which this runs. */
export function clientInScope(): string | undefined {
  return scopes.getStore()?.client;
}

/** The scope of the request that is worked for; undefined where there is none. */
export function currentScope(): RequestScope | undefined {
  return scopes.getStore();
}

/** The same backend. Its time is counted for the request that asks it. */
export function counted<B extends Backend>(backend: B): B {
  const send = async (request: BackendRequest): Promise<BackendResponse> => {
    const scope = scopes.getStore();
    if (scope === undefined) return backend.send(request);
    const began = performance.now();
    scope.backendRequests += 1;
    try {
      return await (scope.trace === undefined ? backend.send(request) : traced(scope.trace, backend, request));
    } finally {
      scope.backendMs += performance.now() - began;
    }
  };
  return { ...backend, description: backend.description, send, close: () => backend.close() };
}

async function traced(trace: RequestTrace, backend: Backend, request: BackendRequest): Promise<BackendResponse> {
  const span = trace.toStore(`store ${request.method}`);
  let status: number | undefined;
  try {
    const response = await backend.send({ ...request, headers: { ...request.headers, ...span.headers } });
    status = response.status;
    return response;
  } finally {
    span.end(status);
  }
}

/** Runs `work` as a step of the current request in its trace, where traces are on. */
export function step<T>(name: string, work: () => Promise<T>): Promise<T> {
  const trace = scopes.getStore()?.trace;
  return trace === undefined ? work() : trace.step(name, work);
}
