/**
 * A wrapper that makes any backend fail on purpose, and records every request. Faults are scripted: the first rule that
 * matches a request and is not used up applies to it.
 */
import type { Backend, BackendRequest, BackendResponse } from '../../proxy/backend/backend.ts';
import { BackendUnavailable } from '../../proxy/backend/backend.ts';
import { discard } from '../../proxy/backend/read-body.ts';
import { bodyLength, errorReply } from './backend-reply.ts';
import { cutRequestBody, cutResponseBody, withoutConditions } from './faulty/cuts.ts';

/** A request as recorded: enough to count and to search, without its body. */
interface RecordedRequest {
  readonly method: string;
  readonly bucket: string | undefined;
  readonly key: string | undefined;
  readonly query: Readonly<Record<string, string>>;
  readonly headers: Readonly<Record<string, string>>;
  readonly headerNames: readonly string[];
  readonly bodyBytes: number;
  /** A buffer could be sent again; a stream never is. */
  readonly isStream: boolean;
}

type Fault =
  /** The store answers so and does nothing. */
  | { readonly kind: 'status'; readonly status: number; readonly code: string }
  /** No answer: `before` the store acted, or `after` it did. */
  | { readonly kind: 'unavailable'; readonly when: 'before' | 'after' }
  /** The connection is reset when `atByte` bytes of the request body have gone; nothing is stored. */
  | { readonly kind: 'cut-request'; readonly atByte: number }
  /** The response body breaks off with an error after `atByte` bytes. */
  | { readonly kind: 'cut-response'; readonly atByte: number }
  /** Waits until the promise settles before anything is sent. */
  | { readonly kind: 'hold'; readonly until: Promise<unknown> }
  /** If-Match, If-None-Match and the conditions on a copy's source are not looked at. */
  | { readonly kind: 'ignore-conditions' }
  /** Another response than the store's: other bytes, other metadata. */
  | {
      readonly kind: 'tamper';
      readonly change: (
        response: BackendResponse,
        request: BackendRequest,
      ) => BackendResponse | Promise<BackendResponse>;
    }
  /** Another request than the caller's. */
  | { readonly kind: 'tamper-request'; readonly change: (request: BackendRequest) => BackendRequest };

interface FaultRule {
  /** Absent: every request. */
  readonly when?: (request: RecordedRequest) => boolean;
  readonly fault: Fault;
  /** Matching requests that pass unharmed first; 0 by default. */
  readonly skip?: number;
  /** How often it applies; without end by default. */
  readonly times?: number;
}

export interface FaultyBackend extends Backend {
  /** Every request so far, in order. */
  readonly requests: readonly RecordedRequest[];
  /** How many requests met a fault. */
  readonly faults: () => number;
  /** Adds a rule; returns the function that removes it. */
  inject(rule: FaultRule): () => void;
  /** Removes all rules and forgets all requests. */
  reset(): void;
}

interface ActiveRule extends FaultRule {
  matched: number;
}

export function faultyBackend(inner: Backend): FaultyBackend {
  const requests: RecordedRequest[] = [];
  let rules: ActiveRule[] = [];
  let faults = 0;

  function faultFor(recorded: RecordedRequest): Fault | undefined {
    for (const rule of rules) {
      const skip = rule.skip ?? 0;
      if (rule.when !== undefined && !rule.when(recorded)) continue;
      if (rule.matched >= skip + (rule.times ?? Number.POSITIVE_INFINITY)) continue;
      if (rule.matched++ >= skip) return rule.fault;
    }
    return undefined;
  }

  async function send(request: BackendRequest): Promise<BackendResponse> {
    request.signal.throwIfAborted();
    const recorded = recordOf(request);
    requests.push(recorded);
    const fault = faultFor(recorded);
    if (fault === undefined) return inner.send(request);
    faults++;
    return applyFault(inner, request, fault);
  }

  return {
    description: `faulty ${inner.description}`,
    requests,
    faults: () => faults,
    inject(rule) {
      const active = { ...rule, matched: 0 };
      rules.push(active);
      return () => {
        rules = rules.filter((one) => one !== active);
      };
    },
    reset() {
      rules = [];
      requests.length = 0;
      faults = 0;
    },
    send,
    close: () => inner.close(),
  };
}

async function applyFault(inner: Backend, request: BackendRequest, fault: Fault): Promise<BackendResponse> {
  switch (fault.kind) {
    case 'status':
      return errorReply(request, fault);
    case 'unavailable':
      if (fault.when === 'after') discard(await inner.send(request));
      throw new BackendUnavailable('a scripted fault');
    case 'cut-request':
      return cutRequestBody(inner, request, fault.atByte);
    case 'cut-response':
      return cutResponseBody(await inner.send(request), fault.atByte);
    case 'hold':
      await fault.until;
      return inner.send(request);
    case 'ignore-conditions':
      return inner.send(withoutConditions(request));
    case 'tamper':
      return fault.change(await inner.send(request), request);
    case 'tamper-request':
      return inner.send(fault.change(request));
  }
}

function recordOf(request: BackendRequest): RecordedRequest {
  const { method, bucket, key, query = [], headers = {} } = request;
  return {
    method,
    bucket,
    key,
    query: Object.fromEntries(query),
    headers: { ...headers },
    headerNames: Object.keys(headers),
    bodyBytes: bodyLength(request),
    isStream: request.body !== undefined && !Buffer.isBuffer(request.body),
  };
}
