/**
 * A Transit secrets engine over HTTP in this process, as OpenBao answers: tokens that end, logins that are counted, and switches for
 * what goes wrong. The real server is in test/e2e/.
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface FakeTransit {
  readonly url: URL;
  /** What came in, as method and path. */
  readonly requests: string[];
  /** Tokens that count, with the seconds they live. */
  readonly tokens: Map<string, number>;
  /** When logins came, milliseconds. */
  readonly logins: number[];
  renewals: number;
  /** Answers every request in place of the engine. */
  answer: ((request: IncomingMessage, response: ServerResponse) => boolean) | undefined;
  /** Seconds that a token of a login lives. */
  lease: number;
  /** Calls of the engine wait for it. */
  hold: Promise<void>;
  /** Calls that are not answered yet. */
  underWay: number;
  minDecryption: number;
  /** How the key is away, where it is. */
  gone: 'deleted' | 'soft-deleted' | undefined;
  close(): Promise<void>;
}

export async function fakeTransit(): Promise<FakeTransit> {
  const key = randomBytes(32);
  const server = createServer((request, response) => void handle(request, response));
  const fake: FakeTransit = {
    url: new URL('http://127.0.0.1:0'),
    requests: [],
    tokens: new Map([['root-token', 0]]),
    logins: [],
    renewals: 0,
    answer: undefined,
    lease: 3600,
    hold: Promise.resolve(),
    underWay: 0,
    minDecryption: 1,
    gone: undefined,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  Object.assign(fake, { url: new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`) });
  return fake;

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece as Buffer);
    fake.requests.push(`${request.method} ${request.url}`);
    if (fake.answer?.(request, response) === true) return;
    const body = pieces.length === 0 ? {} : (JSON.parse(Buffer.concat(pieces).toString()) as Record<string, string>);
    fake.underWay += 1;
    if (request.url?.includes('/transit/') === true) await fake.hold;
    fake.underWay -= 1;
    const [status, json] = replyTo(request, body);
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(json));
  }

  function replyTo(request: IncomingMessage, body: Record<string, string>): [number, unknown] {
    const path = (request.url ?? '').replace(/^\/v1\//, '');
    if (path === 'auth/approle/login') {
      fake.logins.push(Date.now());
      if (body['secret_id'] !== 'right') return [400, { errors: ['invalid role or secret ID'] }];
      return [200, { auth: granted(`token-${fake.logins.length}`) }];
    }
    if (path === 'auth/kubernetes/login') {
      fake.logins.push(Date.now());
      const isRight = body['jwt'] === 'jwt-of-a-pod' && body['role'] === 'sealgate';
      return isRight
        ? [200, { auth: granted(`token-${fake.logins.length}`) }]
        : [403, { errors: ['permission denied'] }];
    }
    const token = String(request.headers['x-vault-token'] ?? '');
    const life = fake.tokens.get(token);
    if (life === undefined) return [403, { errors: ['permission denied'] }];
    if (path === 'auth/token/lookup-self') return [200, { data: { ttl: life, renewable: life > 0 } }];
    if (path === 'auth/token/renew-self') {
      fake.renewals += 1;
      return [200, { auth: granted(token) }];
    }
    return engine(path, body);
  }

  function granted(token: string) {
    fake.tokens.set(token, fake.lease);
    return { client_token: token, lease_duration: fake.lease, renewable: true };
  }

  function engine(path: string, body: Record<string, string>): [number, unknown] {
    const [, operation, name] = /^transit\/(encrypt|decrypt|keys)\/(.+)$/.exec(path) ?? [];
    if (name !== 'main') return [404, { errors: ['encryption key not found'] }];
    if (fake.gone !== undefined && operation !== 'keys') return [400, { errors: ['encryption key not found'] }];
    if (fake.gone === 'deleted') return [404, { errors: [] }];
    if (operation === 'keys')
      return [
        200,
        {
          data: {
            latest_version: 1,
            min_decryption_version: fake.minDecryption,
            soft_deleted: fake.gone !== undefined,
          },
        },
      ];
    const owner = Buffer.from(body['associated_data'] ?? '', 'base64');
    if (operation === 'encrypt') {
      const iv = randomBytes(12);
      const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(owner);
      const sealed = Buffer.concat([cipher.update(Buffer.from(body['plaintext'] ?? '', 'base64')), cipher.final()]);
      const text = Buffer.concat([iv, sealed, cipher.getAuthTag()]).toString('base64');
      return [200, { data: { ciphertext: `vault:v1:${text}`, key_version: 1 } }];
    }
    const bytes = Buffer.from((body['ciphertext'] ?? '').replace('vault:v1:', ''), 'base64');
    try {
      const cipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, 12)).setAAD(owner);
      cipher.setAuthTag(bytes.subarray(-16));
      const plain = Buffer.concat([cipher.update(bytes.subarray(12, -16)), cipher.final()]);
      if (fake.minDecryption > 1) return [400, { errors: ['ciphertext version is disallowed by policy (too old)'] }];
      return [200, { data: { plaintext: plain.toString('base64') } }];
    } catch {
      return [400, { errors: ['cipher: message authentication failed'] }];
    }
  }
}
