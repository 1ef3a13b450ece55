/** Uploads and downloads in the caller's own time, with one signed request over http and no SDK in between. */
import { once } from 'node:events';
import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http';
import { objectPath, type SigningCredentials, signHeaders } from '../../helpers/raw-client.ts';

export interface Target {
  readonly endpoint: string;
  readonly credentials: SigningCredentials;
  readonly bucket: string;
  readonly key: string;
  /** Without '?'. */
  readonly query?: string;
}

/** A PUT of `bytes`, its head sent, its body to be written. */
export function openUpload(target: Target, bytes: number): { request: ClientRequest; reply: Promise<IncomingMessage> } {
  const request = open(target, 'PUT', [['content-length', String(bytes)]]);
  const reply = once(request, 'response').then(([response]) => response as IncomingMessage);
  reply.catch(() => undefined);
  request.flushHeaders();
  return { request, reply };
}

/** A GET whose body is to be read. `range`: first and last byte. */
export async function openDownload(target: Target, range?: readonly [number, number]): Promise<IncomingMessage> {
  const request = open(target, 'GET', range === undefined ? [] : [['range', `bytes=${range[0]}-${range[1]}`]]);
  request.end();
  const [response] = await once(request, 'response');
  return response as IncomingMessage;
}

/** A request without a body, or with a short one; gives the whole reply. */
export async function send(
  target: Target,
  method: string,
  body = '',
): Promise<{ status: number; body: string; headers: IncomingMessage['headers'] }> {
  const request = open(target, method, body === '' ? [] : [['content-length', String(Buffer.byteLength(body))]]);
  request.end(body);
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  return { status: response.statusCode ?? 0, body: await text(response), headers: response.headers };
}

export async function text(response: IncomingMessage): Promise<string> {
  let whole = '';
  for await (const piece of response.setEncoding('utf8')) whole += piece;
  return whole;
}

/** Writes with back-pressure; throws when the connection ends before. */
export async function writeBody(request: ClientRequest, pieces: Iterable<Buffer>): Promise<void> {
  for (const piece of pieces) {
    if (!request.write(piece)) await once(request, 'drain');
  }
}

function open(target: Target, method: string, headers: readonly (readonly [string, string])[]): ClientRequest {
  const { hostname, port, host } = new URL(target.endpoint);
  const path = target.key === '' ? `/${target.bucket}` : objectPath(target.bucket, target.key);
  const query = target.query ?? '';
  const signed = signHeaders({ method, path, query, headers, payload: 'UNSIGNED-PAYLOAD' }, target.credentials, host);
  return httpRequest({
    hostname,
    port,
    method,
    path: query === '' ? path : `${path}?${query}`,
    headers: Object.fromEntries(signed),
    agent: false,
  });
}
