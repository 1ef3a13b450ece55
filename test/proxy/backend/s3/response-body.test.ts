// Protects: a response that breaks off is an error and never a short success; aborting ends everything and leaks nothing.
import { randomBytes } from 'node:crypto';
import { getEventListeners, once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { type Backend, BackendUnavailable } from '../../../../proxy/backend/backend.ts';
import { discard, readBody, readLent } from '../../../../proxy/backend/read-body.ts';
import { never, startRaw, streamOf } from './open.ts';

const get = { method: 'GET', bucket: 'data', key: 'k' } as const;
const NOTHING = Buffer.alloc(0);

describe('a response that is cut', () => {
  const cuts: [string, string, number][] = [
    ['Content-Length, closed', 'Content-Length: 1000\r\n\r\n', 999],
    ['Content-Length, closed at once', 'Content-Length: 1000\r\n\r\n', 0],
    ['chunked, closed in a chunk', 'Transfer-Encoding: chunked\r\n\r\n3e8\r\n', 999],
    ['chunked, closed before the last chunk', 'Transfer-Encoding: chunked\r\n\r\n3e8\r\n', 1000],
  ];
  for (const how of ['end', 'resetAndDestroy'] as const) {
    test.each(cuts)(`%s (${how})`, async (_, head, bytes) => {
      const { backend, server } = await startRaw(({ socket }) => {
        socket.write(`HTTP/1.1 200 OK\r\n${head}${'x'.repeat(bytes)}`, () => socket[how]());
      });
      // A reset may overtake what was written before it: then there is no response at all, which is an error as well.
      const outcome = await backend
        .send({ ...get, signal: never() })
        .then((response) => readBody(response, { maxBytes: 10_000 }))
        .catch((error) => error);
      expect(outcome).toBeInstanceOf(BackendUnavailable);
      await server.idle();
    });
  }

  test('errors for a consumer that comes late', async () => {
    const { backend, server } = await startRaw(({ socket }) =>
      socket.end('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc'),
    );
    const response = await backend.send({ ...get, signal: never() });
    await server.idle();
    if (!response.body.closed) await new Promise<void>((resolve) => response.body.once('close', resolve));
    await expect(readBody(response, { maxBytes: 100 })).rejects.toThrowError(BackendUnavailable);
  });

  test('bytes beyond Content-Length are no part of the body, nor of the next response', async () => {
    const { backend, server } = await startRaw((request) => {
      request.socket.write('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nrightEXTRA');
    });
    const outcomes: string[] = [];
    for (let i = 0; i < 6; i++) {
      const outcome = await backend
        .send({ ...get, signal: never() })
        .then(async (response) => (await readBody(response, { maxBytes: 100 })).toString())
        .catch((error: unknown) => (error instanceof BackendUnavailable ? 'unavailable' : 'another error'));
      outcomes.push(outcome);
    }
    expect(outcomes).toHaveLength(6);
    for (const outcome of outcomes) expect(['right', 'unavailable']).toContain(outcome);
    expect(server.accepted()).toBeGreaterThan(1);
  });
});

describe('idle', () => {
  test('a store that stops in the middle of a body is an error', async () => {
    const { backend, server } = await startRaw(
      ({ socket }) => void socket.write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc'),
      { timeouts: { idleMs: 200 } },
    );
    const reading = backend.send({ ...get, signal: never() }).then((response) => readBody(response, { maxBytes: 100 }));
    await expect(reading).rejects.toThrowError(/nothing was heard/);
    await server.idle();
  });
});

describe('abort', () => {
  const reason = new Error('the client went away');

  test('before it is sent: nothing is', async () => {
    const { backend, server } = await startRaw((request) => request.respond(200));
    await expect(backend.send({ ...get, signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    expect(server.accepted()).toBe(0);
  });

  test('while the store is silent', async () => {
    const abort = new AbortController();
    const { backend, server } = await startRaw(() => abort.abort(reason));
    await expect(backend.send({ ...get, signal: abort.signal })).rejects.toBe(reason);
    await server.idle();
    expect(getEventListeners(abort.signal, 'abort')).toHaveLength(0);
  });

  test('while no connection is free', async () => {
    const { backend, server } = await startRaw(() => undefined, { sockets: 1 });
    const [first, second] = [new AbortController(), new AbortController()];
    const outcomes: string[] = [];
    const holding = backend.send({ ...get, signal: first.signal }).catch(() => outcomes.push('first'));
    const waiting = backend.send({ ...get, signal: second.signal }).catch((error) => outcomes.push(error.message));
    second.abort(reason);
    await waiting;
    first.abort(reason);
    await holding;
    expect(outcomes).toEqual([reason.message, 'first']);
    expect(server.accepted()).toBeLessThanOrEqual(1);
  });

  test('in the middle of a request body: short of its length, and the source is left', async () => {
    const abort = new AbortController();
    const ended = Promise.withResolvers<void>();
    const whole: boolean[] = [];
    const { backend, server } = await startRaw(async (request) => {
      request.socket.write('HTTP/1.1 100 Continue\r\n\r\n');
      await request.received(1000);
      abort.abort(reason);
      whole.push(await request.received());
    });
    const chunks = Array.from({ length: 1000 }, () => Buffer.alloc(100_000));
    const body = streamOf(chunks, { onEnd: ended.resolve });
    await expect(backend.send({ ...get, method: 'PUT', body, signal: abort.signal })).rejects.toBe(reason);
    await Promise.all([server.idle(), ended.promise]);
    expect(whole).toEqual([false]);
  });

  test('in the middle of a response body', async () => {
    const abort = new AbortController();
    const { backend, server } = await startRaw(
      ({ socket }) => void socket.write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc'),
    );
    const response = await backend.send({ ...get, signal: abort.signal });
    const reading = readBody(response, { maxBytes: 100 }).catch((error) => error.cause ?? error);
    abort.abort(reason);
    expect(await reading).toBe(reason);
    await server.idle();
  });

  test('1,000 times in every state leaves no connection, listener or timer', async () => {
    const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
    // Of tests before this one.
    const before = timers();
    const abort = new Map<string, AbortController>();
    const { backend, server } = await startRaw(async (request) => {
      const kind = request.index % 4;
      const controller = abort.get(request.requestLine.split(' ')[1] ?? '');
      if (kind === 1) request.socket.write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc');
      if (kind === 2) request.socket.write('HTTP/1.1 100 Continue\r\n\r\n');
      if (kind === 3) request.respond(200);
      else controller?.abort(reason);
    });
    const outcomes = { ended: 0, rejected: 0 };
    for (let batch = 0; batch < 20; batch++) {
      await Promise.all(
        Array.from({ length: 50 }, async (_, i) => {
          const controller = new AbortController();
          abort.set(`/data/${batch}-${i}`, controller);
          const body = i % 2 === 0 ? {} : { body: streamOf([Buffer.alloc(10), Buffer.alloc(10)]) };
          const method = i % 2 === 0 ? 'GET' : 'PUT';
          try {
            const response = await backend.send({
              method,
              bucket: 'data',
              key: `${batch}-${i}`,
              signal: controller.signal,
              ...body,
            });
            await readBody(response, { maxBytes: 100 });
            outcomes.ended++;
          } catch {
            outcomes.rejected++;
          }
        }),
      );
    }
    expect(outcomes.ended + outcomes.rejected).toBe(1000);
    expect(outcomes.rejected).toBeGreaterThan(500);
    // Only kept, unused connections are left; closing the backend ends them.
    await backend.close();
    await server.idle();
    const listeners = [...abort.values()].map(({ signal }) => getEventListeners(signal, 'abort').length);
    expect(listeners).toHaveLength(1000);
    expect(Math.max(...listeners)).toBe(0);
    expect([...abort.values()].filter(({ signal }) => !signal.aborted).length).toBeGreaterThan(100);
    expect(timers() - before).toBeLessThan(10);
  });
});

test('a body that is discarded frees its connection, a long one by closing it', async () => {
  const { backend, server } = await startRaw((request) =>
    request.respond(200, { body: Buffer.alloc(request.requestLine.includes('long') ? 10_000_000 : 100) }),
  );
  for (let i = 0; i < 5; i++) {
    const response = await backend.send({ ...get, signal: never() });
    discard(response);
    // One that had not come whole is being read.
    if (response.body.readableFlowing === true) await once(response.body, 'close');
  }
  expect(server.accepted()).toBe(1);
  const response = await backend.send({ ...get, key: 'long', signal: never() });
  discard(response);
  await server.idle();
});

describe('a body that came whole', () => {
  const whole = { body: 'all of it' };

  test('is handed over once, and then no stream of it', async () => {
    const { backend } = await startRaw((request) => request.respond(200, whole));
    const { body } = await backend.send({ ...get, signal: never() });
    expect(body.takeWhole?.()?.toString()).toBe('all of it');
    expect(body.takeWhole?.()).toBeUndefined();
  });

  test('is a stream as well, and is not handed over once that was begun', async () => {
    const { backend, server } = await startRaw((request) => request.respond(200, whole));
    const { body } = await backend.send({ ...get, signal: never() });
    const pieces: Buffer[] = [];
    for await (const piece of body as AsyncIterable<Buffer>) {
      expect(body.takeWhole?.()).toBeUndefined();
      pieces.push(piece);
    }
    expect(Buffer.concat(pieces).toString()).toBe('all of it');
    expect(body.takeWhole?.()).toBeUndefined();
    discard(await backend.send({ ...get, signal: never() }));
    expect(server.accepted()).toBe(1);
  });

  test('is not handed over before its last byte came', async () => {
    const { backend } = await startRaw(async ({ socket }) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc');
      await pause(50);
      socket.write('def');
    });
    const response = await backend.send({ ...get, signal: never() });
    expect(response.body.takeWhole?.()).toBeUndefined();
    expect((await readBody(response, { maxBytes: 6 })).toString()).toBe('abcdef');
  });

  test('does not hold the memory of a large read, when it is small', async () => {
    const { backend } = await startRaw(async ({ socket }) => {
      socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
      await pause(20);
      socket.write('5\r\nhello\r\n0\r\n\r\n');
    });
    const body = await readBody(await backend.send({ ...get, signal: never() }), { maxBytes: 10 });
    expect(body.toString()).toBe('hello');
    expect(body.buffer.byteLength).toBeLessThanOrEqual(Buffer.poolSize);
  });

  test('is refused when it is longer than its reader takes', async () => {
    const chunks = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n0\r\n\r\n';
    const { backend } = await startRaw(({ socket }) => void socket.write(chunks));
    const response = await backend.send({ ...get, signal: never() });
    await expect(readBody(response, { maxBytes: 3 })).rejects.toThrow('longer than 3 bytes');
  });
});

describe('a body that is lent', () => {
  const SIZES = [0, 9, 32_768, 32_769, 65_536, 65_537, 300_000, 540_672, 540_673, 1_200_000];
  const lent = { ...get, lends: () => true } as const;
  const stored = new Map(SIZES.map((size) => [size, randomBytes(size)]));

  /** A store that sends a body of the size that the key says, at once or in strokes, with its length or in chunks. */
  function startStore() {
    return startRaw(async ({ requestLine, socket, index }) => {
      const content = stored.get(Number(requestLine.split(/[ /?]/)[3])) ?? NOTHING;
      const stroke = [content.length + 1, 70_001, 5_003][index % 3] ?? 0;
      const isChunked = requestLine.includes('chunked');
      const framing = isChunked ? 'Transfer-Encoding: chunked' : `Content-Length: ${content.length}`;
      socket.write(`HTTP/1.1 200 OK\r\n${framing}\r\n\r\n`);
      for (let at = 0; at < content.length; at += stroke) {
        const piece = content.subarray(at, at + stroke);
        if (isChunked) socket.write(`${piece.length.toString(16)}\r\n`);
        socket.write(piece);
        if (isChunked) socket.write('\r\n');
        if (stroke < content.length && at % 3 === 0) await pause(1);
      }
      if (isChunked) socket.write('0\r\n\r\n');
    });
  }

  async function read(backend: Backend, size: number, framing: string) {
    const told: Buffer[] = [];
    const query = [['as', framing]] as const;
    const response = await backend.send({ ...lent, key: String(size), query, signal: never() });
    const onPiece = (piece: Buffer) => void told.push(Buffer.from(piece));
    const whole = await readLent(response, { maxBytes: size, onPiece });
    return { told, whole, giveBack: () => response.body.giveBack?.() };
  }

  test.each(['sized', 'chunked'])('%s: each piece is told of once, in order, and all of it is one', async (framing) => {
    const { backend } = await startStore();
    for (const size of SIZES) {
      for (let i = 0; i < 3; i++) {
        const { told, whole, giveBack } = await read(backend, size, framing);
        expect(Buffer.concat(told).equals(stored.get(size) ?? NOTHING)).toBe(true);
        expect(whole.equals(stored.get(size) ?? NOTHING)).toBe(true);
        giveBack();
      }
    }
  });

  test('nobody else writes into it until it is given back', async () => {
    const { backend } = await startStore();
    const kept: { size: number; whole: Buffer; giveBack: () => void }[] = [];
    let checked = 0;
    for (let round = 0; round < 4; round++) {
      const reads = SIZES.map(async (size, i) => ({
        size,
        ...(await read(backend, size, i % 2 ? 'sized' : 'chunked')),
      }));
      kept.push(...(await Promise.all(reads)));
      // Half of them, so that the next round finds memory that is free.
      for (const { size, whole, giveBack } of kept.splice(0, kept.length / 2)) {
        expect(whole.equals(stored.get(size) ?? NOTHING)).toBe(true);
        giveBack();
        giveBack();
        checked += 1;
      }
    }
    expect(checked).toBeGreaterThan(20);
    const memories = kept.filter(({ size }) => size > 65_536).map(({ whole }) => whole.buffer);
    expect(new Set(memories).size).toBe(memories.length);
  });

  test('its memory is used again', async () => {
    const { backend } = await startStore();
    const memories = new Set<ArrayBufferLike>();
    for (let i = 0; i < 40; i++) {
      const { whole, giveBack } = await read(backend, 300_000, 'sized');
      memories.add(whole.buffer);
      giveBack();
    }
    expect(memories.size).toBeLessThan(8);
  });

  test('given back before its end, it keeps what the rest is read into', async () => {
    const content = stored.get(300_000) ?? NOTHING;
    const { backend } = await startRaw(async ({ socket }) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n');
      socket.write(content.subarray(0, 100_000));
      await pause(20);
      socket.write(content.subarray(100_000));
    });
    const [first, second] = [0, 1].map(async (i) => {
      const response = await backend.send({ ...lent, key: String(i), signal: never() });
      response.body.giveBack?.();
      return readLent(response, { maxBytes: 300_000 });
    });
    expect((await first)?.equals(content)).toBe(true);
    expect((await second)?.equals(content)).toBe(true);
  });
});
