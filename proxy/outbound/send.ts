/**
 * Requests of the control plane over HTTP: documents of identity providers, calls to a key service. Each request is bounded in
 * time and in the size of its reply, and follows no redirect. HTTPS_PROXY and NO_PROXY of the environment apply to https:// URLs.
 * Requests to the store never come this way.
 */
import type { Dispatcher } from 'undici';

/** No whole reply came. The message names the host and the reason. It never holds what was sent or received. */
export class OutboundFailure extends Error {
  readonly code = 'OUTBOUND_FAILURE';
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'OutboundFailure';
  }
}

export interface OutboundRequest {
  readonly method?: 'GET' | 'POST';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Bytes of the reply's body, at most. */
  readonly maxBytes: number;
  readonly timeoutMs: number;
  /** That of the environment when absent. */
  readonly dispatcher?: Dispatcher | Promise<Dispatcher> | undefined;
  readonly signal?: AbortSignal;
}

export interface OutboundReply {
  readonly status: number;
  readonly body: string;
}

/** The client and its sockets, loaded with the first request: undici is a third of the program, and most servers need none. */
let client: ReturnType<typeof loadClient> | undefined;

async function loadClient() {
  const { EnvHttpProxyAgent, request } = await import('undici');
  return { request, fromEnvironment: new EnvHttpProxyAgent() };
}

/** For servers whose certificate a private authority signed. `ca`: PEM. */
export async function outboundDispatcher(url: URL, o: { readonly ca?: string | undefined }): Promise<Dispatcher> {
  const { Agent, EnvHttpProxyAgent } = await import('undici');
  // Plain HTTP stays on this machine, so no proxy is asked.
  if (url.protocol === 'http:') return new Agent();
  return o.ca === undefined
    ? new EnvHttpProxyAgent()
    : new EnvHttpProxyAgent({ connect: { ca: o.ca }, requestTls: { ca: o.ca } });
}

/** @throws OutboundFailure */
export async function sendOutbound(url: URL, o: OutboundRequest): Promise<OutboundReply> {
  client ??= loadClient();
  const { request, fromEnvironment } = await client;
  const timeout = AbortSignal.timeout(o.timeoutMs);
  const signal = o.signal === undefined ? timeout : AbortSignal.any([timeout, o.signal]);
  try {
    const { statusCode, body } = await request(url, {
      dispatcher: (await o.dispatcher) ?? fromEnvironment,
      method: o.method ?? 'GET',
      headers: { ...o.headers },
      body: o.body ?? null,
      signal,
    });
    return { status: statusCode, body: await readBounded(body, o.maxBytes, url.host) };
  } catch (error) {
    if (error instanceof OutboundFailure) throw error;
    const reason = timeout.aborted ? `did not answer within ${o.timeoutMs / 1000} s` : 'cannot be reached';
    throw new OutboundFailure(`${url.host} ${reason}`, { cause: error });
  }
}

async function readBounded(body: AsyncIterable<Buffer>, maxBytes: number, host: string): Promise<string> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of body) {
    bytes += piece.length;
    if (bytes > maxBytes) throw new OutboundFailure(`${host} sent more than ${maxBytes} bytes`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString('utf8');
}
