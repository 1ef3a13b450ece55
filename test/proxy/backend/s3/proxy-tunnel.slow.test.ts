// Protects: through an outbound proxy the store is reached by TLS from end to end, bodies both ways; what the proxy refuses is told
// apart from what the store refuses; and hosts that need no proxy are reached without.
import { randomBytes } from 'node:crypto';
import { createServer as createHttp } from 'node:http';
import { createServer as createHttps } from 'node:https';
import { connect, createServer as createTcp, type Socket } from 'node:net';
import { afterAll, describe, expect, onTestFinished, test } from 'vitest';
import { discard, readBody } from '../../../../proxy/backend/read-body.ts';
import { goesPastProxy } from '../../../../proxy/backend/s3/no-proxy.ts';
import { explainStoreFailure } from '../../../../proxy/backend/trouble/explain-store-failure.ts';
import { certificateAuthority } from '../../../helpers/certificates.ts';
import { listening } from '../../../helpers/listening.ts';
import { expectSlowly, never, openTestBackend, streamOf } from './open.ts';

const authority = certificateAuthority();
afterAll(() => authority?.close());
const LARGE = randomBytes(9 << 20);

interface Proxy {
  readonly url: string;
  /** What it was asked for, with the credentials. */
  readonly seen: string[];
  readonly sockets: Set<Socket>;
}

/** `status`: what it answers to CONNECT. */
async function outboundProxy(status = 200): Promise<Proxy> {
  const seen: string[] = [];
  const sockets = new Set<Socket>();
  const server = createHttp().on('connect', (request, client: Socket) => {
    seen.push(`${request.url} ${request.headers['proxy-authorization'] ?? '-'}`);
    sockets.add(client);
    client.on('error', () => undefined);
    if (status !== 200) return void client.end(`HTTP/1.1 ${status} No\r\ncontent-length: 0\r\n\r\n`);
    const [host, port] = String(request.url).split(':');
    const upstream = connect(Number(port), host, () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n');
      client.pipe(upstream).pipe(client);
    });
    upstream.on('error', () => client.destroy());
    client.on('close', () => upstream.destroy());
    return undefined;
  });
  return { url: `http://127.0.0.1:${await listening(server)}`, seen, sockets };
}

async function store() {
  const bodies: Buffer[] = [];
  const pair = authority?.issue({ names: 'IP:127.0.0.1' });
  const server = createHttps({ ...pair }, async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    bodies.push(Buffer.concat(chunks));
    response.end(request.method === 'GET' ? LARGE : '');
  });
  return { endpoint: new URL(`https://127.0.0.1:${await listening(server)}`), bodies };
}

const get = { method: 'GET', bucket: 'data', key: 'k' } as const;

describe.skipIf(authority === undefined)('through a proxy', () => {
  const open = (endpoint: URL, proxy: string, ca = authority?.ca) => {
    const backend = openTestBackend(endpoint, { tls: { ca }, proxy: new URL(proxy) });
    onTestFinished(() => backend.close());
    return backend;
  };

  test('bodies go both ways over kept connections, with a slow reader too', async () => {
    const { endpoint, bodies } = await store();
    const proxy = await outboundProxy();
    const backend = open(endpoint, proxy.url);
    const pieces = [LARGE.subarray(0, 3_000_000), LARGE.subarray(3_000_000)];
    for (let i = 0; i < 2; i++) {
      discard(await backend.send({ ...get, method: 'PUT', body: streamOf(pieces), signal: never() }));
      const { body } = await backend.send({ ...get, signal: never() });
      await expectSlowly(body, LARGE);
    }
    expect(bodies.filter((body) => body.length > 0).map((body) => body.equals(LARGE))).toEqual([true, true]);
    expect(proxy.seen).toEqual([`${endpoint.host} -`]);
  });

  test('with a name and a password', async () => {
    const { endpoint } = await store();
    const proxy = await outboundProxy();
    const backend = open(endpoint, proxy.url.replace('//', '//us%3Aer:p%40ss@'));
    discard(await backend.send({ ...get, method: 'HEAD', signal: never() }));
    expect(proxy.seen).toEqual([`${endpoint.host} Basic ${Buffer.from('us:er:p@ss').toString('base64')}`]);
  });

  test('the certificate that is looked at is that of the store', async () => {
    const { endpoint } = await store();
    const backend = open(endpoint, (await outboundProxy()).url, certificateAuthority()?.ca);
    const error = await backend.send({ ...get, signal: never() }).catch((e: unknown) => e);
    expect(explainStoreFailure(error)).toMatchObject({ kind: 'tls-untrusted' });
  });

  test('a connection that breaks in the middle of a body is an error of it', async () => {
    const { endpoint } = await store();
    const proxy = await outboundProxy();
    const backend = open(endpoint, proxy.url);
    const response = await backend.send({ ...get, signal: never() });
    for (const socket of proxy.sockets) socket.resetAndDestroy();
    await expect(readBody(response, { maxBytes: LARGE.length })).rejects.toThrow();
  });

  test.each([407, 403, 502])('a proxy that answers %i', async (status) => {
    const { endpoint, bodies } = await store();
    const backend = open(endpoint, (await outboundProxy(status)).url);
    const error = await backend.send({ ...get, signal: never() }).catch((e: unknown) => e);
    expect(explainStoreFailure(error)).toMatchObject({
      kind: 'proxy-failed',
      what: expect.stringContaining(`the proxy answers ${status}`),
    });
    expect(bodies).toEqual([]);
  });

  test.each([
    ['closes the connection', (socket: Socket) => void socket.end()],
    ['speaks something else', (socket: Socket) => void socket.write('SSH-2.0-x\r\n')],
  ])('a proxy that %s', async (_, behave) => {
    const { endpoint } = await store();
    const port = await listening(createTcp((socket) => socket.once('data', () => behave(socket))));
    const backend = open(endpoint, `http://127.0.0.1:${port}`);
    const error = await backend.send({ ...get, signal: never() }).catch((e: unknown) => e);
    expect(explainStoreFailure(error)).toMatchObject({ kind: 'proxy-failed' });
  });

  test('a proxy that is not there', async () => {
    const { endpoint } = await store();
    const server = createTcp();
    const port = await listening(server);
    server.close();
    const backend = open(endpoint, `http://127.0.0.1:${port}`);
    const error = await backend.send({ ...get, signal: never() }).catch((e: unknown) => e);
    expect(explainStoreFailure(error)).toMatchObject({
      kind: 'proxy-failed',
      what: expect.stringContaining('ECONNREFUSED'),
    });
  });
});

test.each([
  ['https://store.example.test', '', false],
  ['https://store.example.test', 'store.example.test', true],
  ['https://store.example.test', 'other.test, .example.test', true],
  ['https://store.example.test', '*.example.test', true],
  ['https://store.example.test', 'example.test:443', true],
  ['https://store.example.test', 'example.test:8443', false],
  ['https://notexample.test', 'example.test', false],
  ['https://store.example.test', '*', true],
  ['https://10.0.0.7', '10.0.0.7', true],
  ['https://[fd00::7]', 'fd00::7', true],
  ['https://localhost:9000', '', true],
  ['https://127.0.0.1:9000', '', true],
  ['https://169.254.1.2', '', true],
  ['https://[fe80::1]', '', true],
])('%s with NO_PROXY=%j goes past the proxy: %s', (endpoint, noProxy, expected) => {
  expect(goesPastProxy(new URL(endpoint), noProxy)).toBe(expected);
});
