/**
 * Sends one request with exactly these bytes, on a connection of its own, and reads everything that comes back. A large body
 * waits for `100 Continue`, as with the AWS SDKs: a server that refuses it unread and closes would reset the connection on
 * which it still arrives, and the reset can overtake the refusal.
 */
import { request as httpRequest, type IncomingMessage } from 'node:http';
import type { WireRequest } from './request.ts';

export interface TwinReply {
  /** 0 when no reply came. */
  readonly status: number;
  /** In the order received, lower-case names, duplicates kept. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: Buffer;
  /** Why there was no reply, or not all of it. */
  readonly failure?: string;
}

/** Milliseconds without a byte after which a side counts as silent. */
const SILENCE_MS = 60_000;

/** Smaller bodies fit the buffers of a connection, so that they are taken before the connection is closed. */
const MAX_UNASKED_BYTES = 64 * 1024;

export function sendWire(endpoint: string, o: WireRequest): Promise<TwinReply> {
  const { hostname, port } = new URL(endpoint);
  const { body } = o;
  const asks = (body?.length ?? 0) > MAX_UNASKED_BYTES;
  const given = o.headers.filter(([name]) => !asks || name !== 'expect');
  const headers = asks ? [...given, ['expect', '100-continue']] : given;
  return new Promise((resolve) => {
    const failed = (error: Error) =>
      resolve({ status: 0, headers: [], body: Buffer.alloc(0), failure: reasonOf(error) });
    try {
      const request = httpRequest(
        {
          host: hostname,
          port,
          method: o.method,
          path: o.target,
          agent: false,
          headers: headers.flat(),
          setHost: false,
          timeout: SILENCE_MS,
        },
        (response) =>
          void readReply(response).then((reply) => {
            request.destroy();
            resolve(reply);
          }),
      );
      request.on('timeout', () => request.destroy(new Error('silence')));
      request.on('error', failed);
      if (!asks) request.end(body);
      else {
        // moto asks for the body twice.
        request.once('continue', () => request.end(body));
        request.flushHeaders();
      }
    } catch (error) {
      // Node refuses to send it: the same on both sides.
      failed(error instanceof Error ? error : new Error(String(error)));
    }
  });
}

async function readReply(response: IncomingMessage): Promise<TwinReply> {
  const pieces: Buffer[] = [];
  let failure: string | undefined;
  try {
    for await (const piece of response) pieces.push(piece);
  } catch (error) {
    failure = `cut: ${reasonOf(error)}`;
  }
  const { rawHeaders } = response;
  const headers: (readonly [string, string])[] = [];
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    headers.push([(rawHeaders[i] ?? '').toLowerCase(), rawHeaders[i + 1] ?? '']);
  }
  return {
    status: response.statusCode ?? 0,
    headers,
    body: Buffer.concat(pieces),
    ...(failure === undefined ? {} : { failure }),
  };
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? ((error as NodeJS.ErrnoException).code ?? error.message) : String(error);
}

export function headerOf(reply: TwinReply, name: string): string | undefined {
  return reply.headers.find(([found]) => found === name)?.[1];
}
