/**
 * Fetches a small document over HTTPS for the control plane: bounded in time and size, without redirects. The environment's
 * HTTPS_PROXY and NO_PROXY apply; requests to the store never come this way.
 */
import type { Dispatcher } from 'undici';
import { DOCUMENT_FETCH_TIMEOUT_MS } from '../../session-limits.ts';

/** The document could not be had. The message says why, without the document. */
export class DocumentUnavailable extends Error {
  readonly code = 'DOCUMENT_UNAVAILABLE';
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'DocumentUnavailable';
  }
}

/** The client and its sockets, loaded with the first document: undici is a third of the program, and most servers have no issuer. */
let client: ReturnType<typeof loadClient> | undefined;

async function loadClient() {
  const { EnvHttpProxyAgent, request } = await import('undici');
  return { request, fromEnvironment: new EnvHttpProxyAgent() };
}

/** @throws DocumentUnavailable */
export async function fetchDocument(
  url: URL,
  o: { maxBytes: number; dispatcher?: Dispatcher | undefined },
): Promise<string> {
  client ??= loadClient();
  const { request, fromEnvironment } = await client;
  try {
    const { statusCode, body } = await request(url, {
      dispatcher: o.dispatcher ?? fromEnvironment,
      headers: { accept: 'application/json' },
      signal: AbortSignal.timeout(DOCUMENT_FETCH_TIMEOUT_MS),
    });
    if (statusCode !== 200) {
      body.destroy();
      throw new DocumentUnavailable(`${url.host} answered ${statusCode}`);
    }
    return await readBounded(body, o.maxBytes, url.host);
  } catch (error) {
    if (error instanceof DocumentUnavailable) throw error;
    throw new DocumentUnavailable(`${url.host} cannot be reached`, { cause: error });
  }
}

async function readBounded(body: AsyncIterable<Buffer>, maxBytes: number, host: string): Promise<string> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of body) {
    bytes += piece.length;
    if (bytes > maxBytes) throw new DocumentUnavailable(`${host} sent more than ${maxBytes} bytes`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString('utf8');
}
