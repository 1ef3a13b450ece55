// Protects: a connection that the store closed while it was unused costs no request, and nothing is ever sent twice that
// may have been acted upon.
import { setTimeout } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { type Backend, type BackendRequest, BackendUnavailable } from '../../../../proxy/backend/backend.ts';
import { discard, readBody } from '../../../../proxy/backend/read-body.ts';
import type { RawRequest, RawServer } from '../../../helpers/raw-server.ts';
import { never, startRaw, streamOf } from './open.ts';

const CONTINUE = 'HTTP/1.1 100 Continue\r\n\r\n';

/** Every second request of a kept connection meets `onStale`; all others are answered. */
function start(onStale: (request: RawRequest) => unknown): Promise<{ backend: Backend; server: RawServer }> {
  return startRaw(async (request) => {
    if (request.indexOnConnection > 0) return onStale(request);
    if (request.header('expect') !== undefined) request.socket.write(CONTINUE);
    if (await request.received()) request.respond(200);
    return undefined;
  });
}

/** Leaves one kept connection behind. */
async function warmUp(backend: Backend): Promise<void> {
  await readBody(await backend.send({ method: 'GET', bucket: 'data', signal: never() }), { maxBytes: 10 });
}

const reset = ({ socket }: RawRequest) => void socket.resetAndDestroy();
const close = ({ socket }: RawRequest) => void socket.end();

type Sent = Omit<BackendRequest, 'signal' | 'bucket'>;

describe('repeated on a connection of its own', () => {
  test.each<[string, Sent]>([
    ['GET', { method: 'GET', key: 'k' }],
    ['conditional GET', { method: 'GET', key: 'k', headers: { 'if-match': '"e"' } }],
    ['HEAD', { method: 'HEAD', key: 'k' }],
    ['DELETE', { method: 'DELETE', key: 'k' }],
    ['PUT of a buffer', { method: 'PUT', key: 'k', body: Buffer.from('whole') }],
    ['Complete', { method: 'POST', key: 'k', query: [['uploadId', 'u']], body: Buffer.from('<x/>') }],
  ])('%s', async (_, request) => {
    for (const onStale of [reset, close]) {
      const { backend, server } = await start(onStale);
      await warmUp(backend);
      const response = await backend.send({ ...request, bucket: 'data', signal: never() });
      discard(response);
      expect(response.status).toBe(200);
      expect(server.requests).toHaveLength(3);
      expect(server.requests[2]?.requestLine).toBe(server.requests[1]?.requestLine);
      expect(server.requests[2]?.body()).toEqual(request.body ?? Buffer.alloc(0));
      await backend.close();
      await server.close();
    }
  });

  test('a stream that asked first, and was not touched', async () => {
    const { backend, server } = await start(reset);
    await warmUp(backend);
    const body = streamOf([Buffer.from('stream')]);
    const response = await backend.send({ method: 'PUT', bucket: 'data', key: 'k', body, signal: never() });
    discard(response);
    expect(response.status).toBe(200);
    expect(server.requests.map((request) => request.body().toString())).toEqual(['', '', 'stream']);
  });

  test('a conditional PUT of a buffer asks first as well', async () => {
    const { backend, server } = await start(reset);
    await warmUp(backend);
    const headers = { 'if-none-match': '*' };
    const body = Buffer.from('once');
    discard(await backend.send({ method: 'PUT', bucket: 'data', key: 'k', headers, body, signal: never() }));
    expect(server.requests.map((request) => request.body().toString())).toEqual(['', '', 'once']);
    expect(server.requests[1]?.header('expect')).toBe('100-continue');
  });
});

describe('on a connection of its own from the start, since it must not be repeated and has no body to hold back', () => {
  test.each<[string, Sent]>([
    ['conditional DELETE', { method: 'DELETE', key: 'k', headers: { 'if-match': '"e"' } }],
    ['conditional copy', { method: 'PUT', key: 'k', headers: { 'if-none-match': '*', 'x-amz-copy-source': '/b/k' } }],
    ['CreateMultipartUpload', { method: 'POST', key: 'k', query: [['uploads', '']] }],
  ])('%s', async (_, request) => {
    const { backend, server } = await start(reset);
    await warmUp(backend);
    const response = await backend.send({ ...request, bucket: 'data', signal: never() });
    discard(response);
    expect(response.status).toBe(200);
    expect(server.requests).toHaveLength(2);
    expect(server.requests[1]?.indexOnConnection).toBe(0);
    expect(server.requests[1]?.header('connection')).toBe('close');
  });
});

describe('never repeated', () => {
  test.each<[string, Sent]>([
    ['a stream once touched', { method: 'PUT', key: 'k', body: streamOf([Buffer.alloc(100), Buffer.alloc(100)]) }],
    [
      'a conditional PUT once sent',
      { method: 'PUT', key: 'k', headers: { 'if-match': '"e"' }, body: Buffer.alloc(200) },
    ],
  ])('%s', async (_, request) => {
    const { backend, server } = await start(async (stale) => {
      stale.socket.write(CONTINUE);
      await stale.received(100);
      stale.socket.resetAndDestroy();
    });
    await warmUp(backend);
    await expect(backend.send({ ...request, bucket: 'data', signal: never() })).rejects.toThrowError(
      BackendUnavailable,
    );
    expect(server.requests).toHaveLength(2);
  });

  test('a request on a new connection that is reset', async () => {
    const { backend, server } = await startRaw(reset);
    await expect(backend.send({ method: 'GET', bucket: 'data', signal: never() })).rejects.toThrowError(
      BackendUnavailable,
    );
    expect(server.requests).toHaveLength(1);
  });

  test('a second time', async () => {
    const { backend, server } = await startRaw((request) => {
      if (request.index === 0) request.respond(200);
      else reset(request);
    });
    await warmUp(backend);
    await expect(backend.send({ method: 'GET', bucket: 'data', signal: never() })).rejects.toThrowError(
      BackendUnavailable,
    );
    expect(server.requests).toHaveLength(3);
  });

  test('because of a status', async () => {
    const { backend, server } = await startRaw((request) => request.respond(503));
    discard(await backend.send({ method: 'GET', bucket: 'data', signal: never() }));
    expect(server.requests).toHaveLength(1);
  });

  test.each([
    ['a part of a head', 'HTTP/1.1 200 OK\r\nETag: "ab'],
    ['an interim response', 'HTTP/1.1 102 Processing\r\n\r\n'],
  ])('when %s has come', async (_, begun) => {
    const { backend, server } = await start(({ socket }) => {
      socket.end(begun);
    });
    await warmUp(backend);
    await expect(backend.send({ method: 'GET', bucket: 'data', signal: never() })).rejects.toThrowError(
      BackendUnavailable,
    );
    expect(server.requests).toHaveLength(2);
  });

  test('that the store worked on for a while: it may have done it', async () => {
    const { backend, server } = await startRaw(
      async (request) => {
        if (request.index === 0) return request.respond(200);
        await setTimeout(200);
        return request.socket.end();
      },
      { timeouts: { staleMs: 100 } },
    );
    await warmUp(backend);
    const complete = { method: 'POST', key: 'k', query: [['uploadId', 'u']], body: Buffer.from('<parts/>') } as const;
    await expect(backend.send({ ...complete, bucket: 'data', signal: never() })).rejects.toThrowError(
      BackendUnavailable,
    );
    expect(server.requests).toHaveLength(2);
  });

  test('when the response has begun', async () => {
    const { backend, server } = await start(({ socket }) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc');
      socket.end();
    });
    await warmUp(backend);
    const response = await backend.send({ method: 'GET', bucket: 'data', signal: never() });
    await expect(readBody(response, { maxBytes: 100 })).rejects.toThrowError(BackendUnavailable);
    expect(server.requests).toHaveLength(2);
  });
});

test('kept connections are used again', async () => {
  const { backend, server } = await startRaw((request) => request.respond(200, { body: 'x' }));
  for (let i = 0; i < 20; i++) await warmUp(backend);
  expect(server.accepted()).toBe(1);
});
