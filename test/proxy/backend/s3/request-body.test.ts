// Protects: a body is sent once, exactly as long as announced, with back-pressure; and a body that fails, at whatever
// point, never reaches the store whole.
import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import { BackendUnavailable } from '../../../../proxy/backend/backend.ts';
import { discard, readBody } from '../../../../proxy/backend/read-body.ts';
import { S3Error } from '../../../../proxy/errors.ts';
import type { RawRequest } from '../../../helpers/raw-server.ts';
import { never, startRaw, streamOf } from './open.ts';

const CONTINUE = 'HTTP/1.1 100 Continue\r\n\r\n';
const to = { method: 'PUT', bucket: 'data', key: 'k' } as const;

async function accept(request: RawRequest): Promise<void> {
  if (request.header('expect') !== undefined) request.socket.write(CONTINUE);
  if (await request.received()) request.respond(200, { headers: { etag: '"e"' } });
}

describe('a streamed body', () => {
  test('arrives whole, in order, after 100 Continue', async () => {
    const { backend, server } = await startRaw(accept);
    const chunks = [Buffer.from('first '), Buffer.alloc(0), Buffer.alloc(3_000_000, 'x'), Buffer.from(' last')];
    const response = await backend.send({ ...to, body: streamOf(chunks), signal: never() });
    discard(response);
    expect(response.status).toBe(200);
    expect(server.requests[0]?.header('expect')).toBe('100-continue');
    expect(server.requests[0]?.header('content-length')).toBe('3000011');
    expect(server.requests[0]?.body().equals(Buffer.concat(chunks))).toBe(true);
  });

  test('of no bytes is sent without Expect', async () => {
    const { backend, server } = await startRaw(accept);
    discard(await backend.send({ ...to, body: streamOf([]), signal: never() }));
    expect(server.requests[0]?.header('content-length')).toBe('0');
    expect(server.requests[0]?.header('expect')).toBeUndefined();
  });

  test('is read only as fast as the store reads', async () => {
    const MiB = 1 << 20;
    const { backend, server } = await startRaw(accept);
    let produced = 0;
    let lead = 0;
    async function* chunks() {
      for (; produced < 128 * MiB; produced += MiB) {
        lead = Math.max(lead, produced - (server.sockets.values().next().value?.bytesRead ?? 0));
        yield Buffer.alloc(MiB);
      }
    }
    const response = await backend.send({ ...to, body: { length: 128 * MiB, chunks: chunks() }, signal: never() });
    discard(response);
    expect(response.status).toBe(200);
    // What the kernel holds for both ends, and a chunk or two: far from all of it.
    expect(lead).toBeLessThan(32 * MiB);
    expect(produced).toBe(128 * MiB);
  });

  test('is sent once though the store says 100 twice', async () => {
    const { backend, server } = await startRaw(async (request) => {
      request.socket.write(CONTINUE + CONTINUE);
      await request.received(3);
      request.socket.write(CONTINUE);
      await request.received();
      request.respond(200);
    });
    discard(await backend.send({ ...to, body: streamOf([Buffer.from('abc'), Buffer.from('def')]), signal: never() }));
    expect(server.requests[0]?.body().toString()).toBe('abcdef');
    expect(server.requests).toHaveLength(1);
  });

  test('is sent without waiting for a store that never says 100, which is then not asked for a while', async () => {
    const silent = async (request: RawRequest) => {
      if (await request.received()) request.respond(200);
    };
    const { backend, server } = await startRaw(silent, { timeouts: { continueMs: 20 } });
    for (let i = 0; i < 3; i++) {
      discard(await backend.send({ ...to, body: streamOf([Buffer.from('abc')]), signal: never() }));
    }
    expect(server.requests.map((request) => request.header('expect'))).toEqual(['100-continue', undefined, undefined]);
    expect(server.requests.map((request) => request.body().toString())).toEqual(['abc', 'abc', 'abc']);
    // Without the question a dead connection could not be noticed in time: each gets a connection of its own.
    expect(server.requests.map((request) => request.indexOnConnection)).toEqual([0, 0, 0]);
  });

  test('is sent again, untouched, to a store that refuses Expect', async () => {
    const { backend, server } = await startRaw(async (request) => {
      if (request.header('expect') !== undefined) request.respond(417);
      else if (await request.received()) request.respond(200);
    });
    const response = await backend.send({ ...to, body: streamOf([Buffer.from('abc')]), signal: never() });
    discard(response);
    expect(response.status).toBe(200);
    expect(server.requests[1]?.body().toString()).toBe('abc');
  });
});

describe('a body that fails leaves the store short of its length, and its own error comes back', () => {
  const verification = new S3Error('BadDigest');
  const piece = Buffer.alloc(1000, 'x');

  test.each([
    ['at once', [verification]],
    ['in the middle', [piece, verification, piece]],
    ['after its last byte', [piece, piece, verification]],
    ['after one big chunk', [Buffer.alloc(2_000_000), verification]],
  ])('%s', async (_, chunks) => {
    const whole: boolean[] = [];
    const done = Promise.withResolvers<void>();
    const { backend, server } = await startRaw(async (request) => {
      request.socket.write(CONTINUE);
      whole.push(await request.received());
      done.resolve();
    });
    const error = await backend
      .send({
        ...to,
        body: streamOf(chunks, { length: chunks.reduce((n, c) => n + (Buffer.isBuffer(c) ? c.length : 0), 0) || 1 }),
        signal: never(),
      })
      .catch((e) => e);
    expect(error).toBe(verification);
    await done.promise;
    expect(whole).toEqual([false]);
    await server.idle();
  });

  test.each([
    ['longer', [piece, piece], 1500],
    ['longer by a whole chunk', [piece, piece], 1000],
    ['shorter', [piece], 1001],
  ])('%s than announced', async (_, chunks, length) => {
    const whole: boolean[] = [];
    const { backend, server } = await startRaw(async (request) => {
      request.socket.write(CONTINUE);
      whole.push(await request.received());
    });
    await expect(backend.send({ ...to, body: streamOf(chunks, { length }), signal: never() })).rejects.toThrowError(
      TypeError,
    );
    await server.idle();
    expect(whole).toEqual([false]);
  });
});

describe('an answer before the body was sent', () => {
  test.each([403, 412, 503])('%i comes back, the rest is not sent, the connection is closed', async (status) => {
    let ended = 0;
    let produced = 0;
    const { backend, server } = await startRaw(async (request) => {
      request.socket.write(CONTINUE);
      await request.received(1000);
      request.respond(status, { body: '<Error><Code>X</Code></Error>' });
    });
    async function* chunks() {
      try {
        for (;;) {
          produced++;
          yield Buffer.alloc(1000);
          if (produced > 1) await once(process, 'never');
        }
      } finally {
        ended++;
      }
    }
    const response = await backend.send({ ...to, body: { length: 1 << 30, chunks: chunks() }, signal: never() });
    expect(response.status).toBe(status);
    expect((await readBody(response, { maxBytes: 1000 })).toString()).toContain('<Code>X</Code>');
    await server.idle();
    expect(produced).toBeLessThan(10);
    expect(ended).toBe(0);
  });

  test('to Expect: the source is never touched', async () => {
    let touched = false;
    const { backend, server } = await startRaw((request) => request.respond(403, { body: 'no' }));
    async function* chunks() {
      touched = true;
      yield Buffer.alloc(10);
    }
    const response = await backend.send({ ...to, body: { length: 10, chunks: chunks() }, signal: never() });
    expect(response.status).toBe(403);
    expect((await readBody(response, { maxBytes: 10 })).toString()).toBe('no');
    await server.idle();
    expect(touched).toBe(false);
  });

  test('that claims success is not believed', async () => {
    const { backend } = await startRaw((request) => {
      request.socket.write(CONTINUE);
      request.respond(200);
    });
    const body = streamOf([Buffer.alloc(1000), Buffer.alloc(1 << 26)]);
    await expect(backend.send({ ...to, body, signal: never() })).rejects.toThrowError(BackendUnavailable);
  });
});
