// Protects: a client certificate is shown to a store that wants one, and a TLS session that a store will not resume costs one more
// handshake, and not every request until a restart.
import { randomBytes } from 'node:crypto';
import { createServer } from 'node:https';
import { connect, createServer as createTcp, type Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { afterAll, describe, expect, onTestFinished, test } from 'vitest';
import { discard, readBody } from '../../../../proxy/backend/read-body.ts';
import { explainStoreFailure } from '../../../../proxy/backend/trouble/explain-store-failure.ts';
import { certificateAuthority } from '../../../helpers/certificates.ts';
import { listening } from '../../../helpers/listening.ts';
import { never, openTestBackend, streamOf } from './open.ts';

const authority = certificateAuthority();
const stranger = certificateAuthority();
afterAll(() => {
  authority?.close();
  stranger?.close();
});

const get = { method: 'GET', bucket: 'data', key: 'k' } as const;

describe.skipIf(authority === undefined)('a store that wants a client certificate', () => {
  async function start(tls: { cert?: string; key?: string }) {
    const pair = authority?.issue({ names: 'IP:127.0.0.1' });
    const seen: string[] = [];
    const wants = { requestCert: true, rejectUnauthorized: true, ca: authority?.ca ?? '' };
    const server = createServer({ ...pair, ...wants }, async (request, response) => {
      seen.push((request.socket as TLSSocket).getPeerCertificate().subjectaltname ?? '');
      for await (const _ of request);
      response.end('content');
    });
    const endpoint = new URL(`https://127.0.0.1:${await listening(server)}`);
    const backend = openTestBackend(endpoint, { tls: { ca: authority?.ca, ...tls } });
    onTestFinished(() => backend.close());
    return { backend, seen };
  }

  test('gets it, for reads and streamed writes', async () => {
    const { backend, seen } = await start(authority?.issue({ names: 'DNS:proxy.test' }) ?? {});
    const read = await readBody(await backend.send({ ...get, signal: never() }), { maxBytes: 100 });
    expect(read.toString()).toBe('content');
    const body = streamOf([Buffer.alloc(100_000)]);
    discard(await backend.send({ ...get, method: 'PUT', body, signal: never() }));
    expect(seen).toEqual(['DNS:proxy.test', 'DNS:proxy.test']);
  });

  test.each([
    ['none, and that is said', /^tls-client-certificate$/, () => ({})],
    // Node's server closes the connection, where others say why.
    [
      'one of an authority that it does not know',
      /^(tls-client-certificate|silent)$/,
      () => stranger?.issue({ names: 'DNS:proxy.test' }) ?? {},
    ],
  ])('refuses %s', async (_, kind, tls) => {
    const { backend, seen } = await start(tls());
    const error = await backend.send({ ...get, signal: never() }).catch((e: unknown) => e);
    expect(explainStoreFailure(error)?.kind).toMatch(kind);
    expect(seen).toEqual([]);
  });
});

/** Whether a ClientHello offers a session: the extension pre_shared_key (RFC 8446, section 4.2.11). */
function offersSession(hello: Buffer): boolean {
  let at = 5 + 4 + 2 + 32;
  at += 1 + (hello[at] ?? 0);
  at += 2 + hello.readUInt16BE(at);
  at += 1 + (hello[at] ?? 0);
  const end = at + 2 + hello.readUInt16BE(at);
  for (at += 2; at + 4 <= end; at += 4 + hello.readUInt16BE(at + 2)) if (hello.readUInt16BE(at) === 41) return true;
  return false;
}

describe.skipIf(authority === undefined)('a store whose front cuts handshakes that resume', () => {
  /** Every response closes its connection, so that each request is a handshake. */
  async function start() {
    const pair = authority?.issue({ names: 'IP:127.0.0.1' });
    const bodies: Buffer[] = [];
    const server = createServer({ ...pair }, async (request, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      bodies.push(Buffer.concat(chunks));
      response.writeHead(200, { connection: 'close' }).end('content');
    });
    const port = await listening(server);
    const front = { cuts: false, resumed: 0, full: 0 };
    const splice = (client: Socket) =>
      client.once('data', (hello) => {
        const resumes = offersSession(hello);
        front[resumes ? 'resumed' : 'full'] += 1;
        if (resumes && front.cuts) return client.resetAndDestroy();
        const upstream = connect(port, '127.0.0.1');
        upstream.write(hello);
        client.pipe(upstream).pipe(client);
        for (const [one, other] of [
          [client, upstream],
          [upstream, client],
        ] as const) {
          one.on('error', () => other.destroy());
        }
        return undefined;
      });
    const endpoint = new URL(`https://127.0.0.1:${await listening(createTcp(splice))}`);
    const backend = openTestBackend(endpoint, { tls: { ca: authority?.ca } });
    onTestFinished(() => backend.close());
    const read = async () =>
      (await readBody(await backend.send({ ...get, signal: never() }), { maxBytes: 100 })).toString();
    return { backend, front, read, bodies };
  }

  test('sessions are resumed while that works', async () => {
    const { front, read } = await start();
    for (let i = 0; i < 4; i++) await read();
    expect([front.full, front.resumed]).toEqual([1, 3]);
  });

  test('once it does not, the same request goes out again after a full handshake', async () => {
    const { front, read } = await start();
    await read();
    front.cuts = true;
    for (let i = 0; i < 3; i++) expect(await read()).toBe('content');
    expect(front.full).toBeGreaterThanOrEqual(4);
  });

  test('a streamed body that waited for 100 Continue too, whole and once', async () => {
    const { backend, front, read, bodies } = await start();
    await read();
    front.cuts = true;
    const content = randomBytes(300_000);
    const body = streamOf([content.subarray(0, 100_000), content.subarray(100_000)]);
    const response = await backend.send({ ...get, method: 'PUT', body, signal: never() });
    discard(response);
    expect(response.status).toBe(200);
    expect(bodies.slice(1).map((one) => one.equals(content))).toEqual([true]);
  });
});
