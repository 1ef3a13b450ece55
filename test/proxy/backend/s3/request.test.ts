// Protects: what goes over the wire (raw path, headers, lengths), what comes back, and that no error shows a secret.
import { describe, expect, test } from 'vitest';
import { BackendUnavailable } from '../../../../proxy/backend/backend.ts';
import { discard, readBody } from '../../../../proxy/backend/read-body.ts';
import { openS3Backend } from '../../../../proxy/backend/s3/s3.ts';
import { freePort } from '../../../helpers/child-server.ts';
import { type RawRequest, rawServer } from '../../../helpers/raw-server.ts';
import { AWKWARD_KEYS } from './awkward-keys.ts';
import { ACCESS_KEY_ID, never, openTestBackend, SECRET, startRaw } from './open.ts';

test('the path arrives byte for byte as it was built', async () => {
  const { backend, server } = await startRaw((request) => request.respond(200));
  let cases = 0;
  for (const key of AWKWARD_KEYS) {
    discard(await backend.send({ method: 'GET', bucket: 'data', key, signal: never() }));
    const path = server.requests.at(-1)?.requestLine.split(' ')[1] ?? '';
    expect(decodeURIComponent(path.slice('/data/'.length))).toBe(key);
    expect(path.startsWith('/data/')).toBe(true);
    cases++;
  }
  expect(cases).toBe(23);
});

test.each([
  ['PUT', undefined, '0'],
  ['POST', undefined, '0'],
  ['PUT', Buffer.from('abc'), '3'],
  ['PUT', Buffer.alloc(0), '0'],
  ['GET', undefined, undefined],
  ['HEAD', undefined, undefined],
  ['DELETE', undefined, undefined],
] as const)('%s with body %s carries Content-Length %s', async (method, body, length) => {
  const { backend, server } = await startRaw(async (request) => {
    await request.received();
    request.respond(200);
  });
  const whole = body === undefined ? {} : { body };
  discard(await backend.send({ method, bucket: 'data', key: 'k', signal: never(), ...whole }));
  const [request] = server.requests;
  expect(request?.header('content-length')).toBe(length);
  expect(request?.header('transfer-encoding')).toBeUndefined();
  expect(request?.header('host')).toBe(server.endpoint.host);
  expect(request?.header('authorization')).toContain(`Credential=${ACCESS_KEY_ID}/`);
  expect(request?.body()).toEqual(body ?? Buffer.alloc(0));
});

test('duplicate response headers are joined, and names are lower case', async () => {
  const { backend } = await startRaw(({ socket }) =>
    socket.write('HTTP/1.1 200 OK\r\nX-Amz-Meta-A: 1\r\nx-amz-meta-a: 2\r\nETag: "e"\r\nContent-Length: 2\r\n\r\nok'),
  );
  const response = await backend.send({ method: 'GET', bucket: 'data', key: 'k', signal: never() });
  expect(response.headers).toMatchObject({ 'x-amz-meta-a': '1, 2', etag: '"e"', 'content-length': '2' });
  expect((await readBody(response, { maxBytes: 10 })).toString()).toBe('ok');
});

test.each([
  ['HEAD', 200],
  ['GET', 304],
  ['DELETE', 204],
] as const)('%s answered %i has an empty body, and frees its connection without being read', async (method, status) => {
  const { backend, server } = await startRaw(({ socket }) =>
    socket.write(`HTTP/1.1 ${status} X\r\n${status === 204 ? '' : 'Content-Length: 1000\r\n'}\r\n`),
  );
  for (let i = 0; i < 5; i++) {
    const response = await backend.send({ method, bucket: 'data', key: 'k', signal: never() });
    expect(response.status).toBe(status);
    expect(await readBody(response, { maxBytes: 0 + 2000 })).toHaveLength(0);
  }
  expect(server.accepted()).toBe(1);
});

test('any status is a response', async () => {
  const { backend } = await startRaw((request) => request.respond(503, { body: '<Error/>' }));
  const response = await backend.send({ method: 'GET', bucket: 'data', key: 'k', signal: never() });
  expect(response.status).toBe(503);
  expect((await readBody(response, { maxBytes: 100 })).toString()).toBe('<Error/>');
});

describe('no answer is BackendUnavailable, without secrets', () => {
  test.each<[string, (request: RawRequest) => void]>([
    ['closed', ({ socket }) => socket.destroy()],
    ['reset', ({ socket }) => socket.resetAndDestroy()],
    ['no HTTP', ({ socket, head }) => socket.end(`nonsense ${head}\r\n\r\n`)],
    ['a head that breaks off', ({ socket }) => socket.end('HTTP/1.1 200 OK\r\nContent-Le')],
    ['a head too large', ({ socket }) => socket.end(`HTTP/1.1 200 OK\r\nx: ${'y'.repeat(100_000)}\r\n\r\n`)],
  ])('%s', async (_, script) => {
    const { backend } = await startRaw(script);
    const error = await backend.send({ method: 'PUT', bucket: 'b', key: 'k', signal: never() }).catch((e) => e);
    expect(error).toBeInstanceOf(BackendUnavailable);
    expectNoSecrets(error);
  });

  test('refused', async () => {
    const refused = openTestBackend(new URL(`http://127.0.0.1:${await freePort()}`));
    const error = await refused.send({ method: 'GET', bucket: 'b', signal: never() }).catch((e) => e);
    expect(error).toBeInstanceOf(BackendUnavailable);
    expect(error.message).toContain('ECONNREFUSED');
    expectNoSecrets(error);
    await refused.close();
  });

  test('silence, and a TLS handshake that never comes', async () => {
    const silent = await rawServer(() => undefined);
    const plain = openTestBackend(silent.endpoint, { timeouts: { idleMs: 50 } });
    const secure = openTestBackend(new URL(silent.endpoint.href.replace('http:', 'https:')), {
      timeouts: { connectMs: 50 },
    });
    const request = { method: 'GET', bucket: 'b', signal: never() } as const;
    await expect(plain.send(request)).rejects.toThrowError(/nothing was heard for 0.05 s/);
    await expect(secure.send(request)).rejects.toThrowError(/connection was not made in time/);
    await silent.idle();
    await Promise.all([plain.close(), secure.close(), silent.close()]);
  });

  test('no connection free', async () => {
    const held = await rawServer(() => undefined);
    const one = openTestBackend(held.endpoint, { sockets: 1, timeouts: { idleMs: 300 } });
    const abort = new AbortController();
    const first = one.send({ method: 'GET', bucket: 'b', signal: abort.signal }).catch((e) => e);
    const waiting = await one.send({ method: 'GET', bucket: 'b', signal: never() }).catch((e) => e);
    expect(waiting).toBeInstanceOf(BackendUnavailable);
    abort.abort();
    await first;
    await Promise.all([one.close(), held.close()]);
  });
});

function expectNoSecrets(error: unknown): void {
  const seen: unknown[] = [];
  for (let one = error; one instanceof Error; one = one.cause) {
    seen.push(one.message, one.stack, JSON.stringify(one), String(one));
    for (const name of Object.getOwnPropertyNames(one))
      seen.push(String((one as unknown as Record<string, unknown>)[name]));
  }
  expect(seen.length).toBeGreaterThan(3);
  for (const text of seen) {
    expect(text).not.toContain(SECRET);
    expect(text).not.toContain(ACCESS_KEY_ID);
    expect(text).not.toContain('Signature=');
  }
}

test.each(['ftp://h', 'http://h/path', 'http://h/?q', 'http://user:pw@h'])('%s is no endpoint', (endpoint) => {
  const open = () =>
    openS3Backend({
      endpoint: new URL(endpoint),
      accessKeyId: 'a',
      secretAccessKey: 'b',
      region: 'us-east-1',
      pathStyle: true,
    });
  expect(open).toThrowError(TypeError);
});

test('its description has no credentials', () => {
  const one = openTestBackend(new URL('https://s3.example:8443'));
  expect(one.description).toBe('https://s3.example:8443');
});
