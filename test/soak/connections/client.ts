/** One client that signs what it sends, over plain HTTP or TLS, mostly on a connection that it keeps. */
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { type RawRequest, signHeaders, withLength } from '../../helpers/raw-client.ts';
import type { Victim } from './bad-states.ts';

/** Every so many requests a connection of its own. */
const NEW_CONNECTION_EVERY = 10;

export class Client {
  readonly #at: Victim;
  readonly #kept: HttpAgent | HttpsAgent;
  #sent = 0;

  constructor(at: Victim) {
    this.#at = at;
    const options = { keepAlive: true, maxSockets: 1 };
    this.#kept = this.#isSecure ? new HttpsAgent({ ...options, rejectUnauthorized: false }) : new HttpAgent(options);
  }

  get #isSecure(): boolean {
    return this.#at.endpoint.startsWith('https:');
  }

  send(request: RawRequest): Promise<{ status: number; body: Buffer }> {
    const { hostname, port, host } = new URL(this.#at.endpoint);
    const headers = withLength(request, signHeaders(request, this.#at.credentials, host));
    const path = request.query === undefined ? request.path : `${request.path}?${request.query}`;
    const agent = ++this.#sent % NEW_CONNECTION_EVERY === 0 ? (false as const) : this.#kept;
    const options = { host: hostname, port, path, method: request.method, headers: headers.flat(), agent };
    return new Promise((resolve, reject) => {
      const read = (response: IncomingMessage) => {
        const pieces: Buffer[] = [];
        response.on('data', (piece: Buffer) => pieces.push(piece));
        response.once('error', reject);
        response.once('end', () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(pieces) }));
      };
      const sent = this.#isSecure
        ? httpsRequest({ ...options, rejectUnauthorized: false }, read)
        : httpRequest(options, read);
      sent.once('error', reject);
      sent.end(request.body);
    });
  }

  close(): void {
    this.#kept.destroy();
  }
}
