/**
 * A store in front of another one that accepts only temporary credentials, and none that has ended; and the service that issues
 * them, as ECS does for a container. The store checks the token, its end and that the token is signed, and refuses as S3 does.
 */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  Agent,
  request as ask,
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
} from 'node:http';

export interface TokenStore {
  readonly endpoint: URL;
  /** Where a container asks for credentials: AWS_CONTAINER_CREDENTIALS_FULL_URI. */
  readonly issuer: URL;
  /** Credentials issued so far. */
  readonly issued: () => number;
  /** Requests refused for their credentials, by code. */
  readonly refused: ReadonlyMap<string, number>;
  /** Requests that went on to the store. */
  readonly passed: () => number;
  /** The issuer answers 500 from now on, or no longer. */
  break(isBroken: boolean): void;
  close(): Promise<void>;
}

/** `lifeMs`: of each token. `authorization`: what the issuer wants to see. */
export async function tokenStore(o: { inner: URL; lifeMs: number; authorization?: string }): Promise<TokenStore> {
  /** When each token ends, and whose it is. */
  const tokens = new Map<string, { readonly ends: number; readonly accessKeyId: string }>();
  const refused = new Map<string, number>();
  const agent = new Agent({ keepAlive: true });
  let passed = 0;
  let isBroken = false;

  const issue: RequestListener = (request, response) => {
    if (isBroken || (o.authorization !== undefined && request.headers.authorization !== o.authorization)) {
      response.writeHead(isBroken ? 500 : 401).end('{}');
      return;
    }
    const ends = Date.now() + o.lifeMs;
    const accessKeyId = `ASIA${randomBytes(8).toString('hex').toUpperCase()}`;
    const token = randomBytes(48).toString('base64');
    tokens.set(token, { ends, accessKeyId });
    const given = { AccessKeyId: accessKeyId, SecretAccessKey: randomBytes(20).toString('hex'), Token: token };
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ ...given, Expiration: new Date(ends).toISOString() }));
  };

  const check = (request: IncomingMessage): string | undefined => {
    const token = tokens.get(String(request.headers['x-amz-security-token'] ?? ''));
    const authorization = request.headers.authorization ?? '';
    if (token === undefined) return 'InvalidToken';
    if (!/SignedHeaders=[^,]*x-amz-security-token/.test(authorization)) return 'AccessDenied';
    if (!authorization.includes(`Credential=${token.accessKeyId}/`)) return 'InvalidToken';
    return Date.now() > token.ends ? 'ExpiredToken' : undefined;
  };

  const serve = (request: IncomingMessage, response: Parameters<RequestListener>[1], expects: boolean) => {
    const code = check(request);
    if (code !== undefined) {
      refused.set(code, (refused.get(code) ?? 0) + 1);
      response.writeHead(400, { connection: 'close' });
      response.end(request.method === 'HEAD' ? '' : `<Error><Code>${code}</Code><Message>no</Message></Error>`);
      return;
    }
    passed += 1;
    if (expects) response.writeContinue();
    const { expect: _, ...headers } = request.headers;
    const { hostname, port } = o.inner;
    const onward = ask({ hostname, port, agent, method: request.method, path: request.url, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    onward.on('error', () => response.destroy());
    response.on('close', () => onward.destroy());
    request.pipe(onward);
  };

  const store = createServer((request, response) => serve(request, response, false));
  store.on('checkContinue', (request, response) => serve(request, response, true));
  const issuer = createServer(issue);
  const [storeUrl, issuerUrl] = await Promise.all([listen(store), listen(issuer)]);
  return {
    endpoint: storeUrl,
    issuer: new URL('/credentials', issuerUrl),
    issued: () => tokens.size,
    refused,
    passed: () => passed,
    break(broken) {
      isBroken = broken;
    },
    async close() {
      agent.destroy();
      for (const server of [store, issuer]) {
        server.closeAllConnections();
        server.close();
        await once(server, 'close');
      }
    },
  };
}

async function listen(server: Server): Promise<URL> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  return new URL(`http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`);
}
