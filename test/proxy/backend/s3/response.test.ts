// Protects: each request gets its own response, byte for byte, however the store's writes are cut and however many responses
// come at once, although reads share memory; what is no HTTP or belongs to nobody ends the connection.
import { createHash, randomBytes } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Backend, BackendUnavailable } from '../../../../proxy/backend/backend.ts';
import { discard, readBody } from '../../../../proxy/backend/read-body.ts';
import { BACKEND_LEAST_READ_BYTES, BACKEND_READ_BYTES, BACKEND_SHARED_READ_BYTES } from '../../../../proxy/limits.ts';
import type { RawRequest } from '../../../helpers/raw-server.ts';
import { expectSlowly, never, startRaw } from './open.ts';

const get = { method: 'GET', bucket: 'data' } as const;

async function text(of: Backend, key: string): Promise<string> {
  return (await readBody(await of.send({ ...get, key, signal: never() }), { maxBytes: 1 << 20 })).toString();
}

test('a response that comes byte by byte', async () => {
  const wire =
    'HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\nETag: "e"\r\nContent-Length: 5\r\n\r\nhello';
  const { backend, server } = await startRaw(async ({ socket }) => {
    for (const byte of wire) await new Promise((resolve) => socket.write(byte, resolve));
  });
  for (let i = 0; i < 3; i++) expect(await text(backend, 'k')).toBe('hello');
  expect(server.accepted()).toBe(1);
});

test('bodies of every size around the memory of reads, many at once, whole and in order', async () => {
  const [shared, body, least] = [BACKEND_SHARED_READ_BYTES, BACKEND_READ_BYTES, BACKEND_LEAST_READ_BYTES];
  const edges = [1, shared, body - least, body, 4 * body];
  const sizes = edges.flatMap((size) => [size - 1, size, size + 1]).filter((size) => size > 0);
  const bodies = sizes.map((size) => randomBytes(size));
  const { backend, server } = await startRaw((request) => {
    const content = bodies[Number(request.requestLine.split(/[ /]/)[3])] ?? Buffer.alloc(0);
    if (request.index % 2 === 0) request.respond(200, { body: content });
    else {
      request.socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
      for (let at = 0; at < content.length; at += 50_000) {
        const piece = content.subarray(at, at + 50_000);
        request.socket.write(
          Buffer.concat([Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from('\r\n')]),
        );
      }
      request.socket.write('0\r\n\r\n');
    }
  });
  for (let round = 0; round < 3; round++) {
    const read = await Promise.all(
      bodies.map(async (_, key) => {
        const response = await backend.send({ ...get, key: String(key), signal: never() });
        const hash = createHash('sha256');
        for await (const piece of response.body as AsyncIterable<Buffer>) {
          // What was handed out must not change while others are read.
          if (round === 1) await setTimeout(1);
          hash.update(piece);
        }
        return hash.digest('hex');
      }),
    );
    expect(read).toEqual(bodies.map((content) => createHash('sha256').update(content).digest('hex')));
  }
  expect(sizes).toHaveLength(14);
  expect(server.requests).toHaveLength(42);
});

test('pieces that were handed out stay as they are while the connection reads on', async () => {
  const { backend } = await startRaw((request) =>
    request.respond(200, { body: request.requestLine.slice(10, 18).repeat(100) }),
  );
  const kept: Buffer[] = [];
  for (let i = 0; i < 30; i++) {
    const response = await backend.send({ ...get, key: `key-${String(i).padStart(4, '0')}`, signal: never() });
    for await (const piece of response.body as AsyncIterable<Buffer>) kept.push(piece);
  }
  const seen = new Set(kept.map((piece) => piece.toString()));
  expect(seen.size).toBe(30);
});

describe('a body that is cut into pieces of given sizes', () => {
  const sizes = { first: 150_036, others: 150_000 };
  /** Hashes the body as its reader gets it, now and then after a pause in which more may arrive. */
  async function read(of: Backend, key: string): Promise<{ sha256: string; lengths: number[]; memories: number }> {
    const { body } = await of.send({ ...get, key, signal: never() });
    body.cutInto?.(sizes);
    const [hash, lengths, memories] = [createHash('sha256'), [] as number[], new Set<ArrayBufferLike>()];
    for await (const piece of body as AsyncIterable<Buffer>) {
      if (lengths.length % 3 === 1) await setTimeout(2);
      lengths.push(piece.length);
      if (piece.length === sizes.others) memories.add(piece.buffer);
      hash.update(piece);
    }
    body.giveBack?.();
    return { sha256: hash.digest('hex'), lengths, memories: memories.size };
  }

  test.each([1, 65_536, 150_035, 150_036, 150_037, 300_036, 1_000_000, 5_000_003])('%i bytes', async (size) => {
    const content = randomBytes(size);
    const sha256 = createHash('sha256').update(content).digest('hex');
    const { backend } = await startRaw(async ({ socket, index }) => {
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`);
      // At once, or in strokes that end anywhere.
      const stroke = index % 2 === 0 ? size : 70_001;
      for (let at = 0; at < size; at += stroke) {
        socket.write(content.subarray(at, at + stroke));
        if (index % 2 === 1) await setTimeout(1);
      }
    });
    for (let i = 0; i < 4; i++) {
      const found = await read(backend, String(i));
      expect(found.sha256).toBe(sha256);
      // Two blocks, in turn.
      expect(found.memories).toBeLessThanOrEqual(2);
      // What had come before the sizes were said ends anywhere.
      const cut = found.lengths.filter((length) => length === sizes.others).length;
      expect(cut).toBeGreaterThanOrEqual(Math.floor(size / sizes.others) - 6);
    }
  });

  test('many at once, with memory that others gave back: each gets its own', async () => {
    const contents = Array.from({ length: 12 }, (_, i) => randomBytes(900_000 + 50_000 * i));
    const { backend } = await startRaw((request) =>
      request.respond(200, { body: contents[Number(request.requestLine.split(/[ /]/)[3])] ?? '' }),
    );
    for (let round = 0; round < 4; round++) {
      const found = await Promise.all(contents.map((_, i) => read(backend, String(i))));
      expect(found.map(({ sha256 }) => sha256)).toEqual(
        contents.map((content) => createHash('sha256').update(content).digest('hex')),
      );
    }
  });

  test('many at once with pieces of other sizes than those whose memory they get', async () => {
    const content = randomBytes(2_000_000);
    const { backend } = await startRaw((request) => request.respond(200, { body: content }));
    for (let round = 0; round < 6; round++) {
      const others = [70_000, 100_000, 150_000][round % 3] ?? 0;
      await Promise.all(
        Array.from({ length: 24 }, async () => {
          const { body } = await backend.send({ ...get, key: 'k', signal: never() });
          body.cutInto?.({ first: others + 36, others });
          await expectSlowly(body, content);
          body.giveBack?.();
        }),
      );
    }
  });

  test.each([
    ['another request waits for the connection', true],
    ['the next one follows at once', false],
  ])('what comes behind it answers nobody: %s', async (_, waits) => {
    const size = 300_000;
    const head = `HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`;
    const forged = 'HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged';
    const { backend, server } = await startRaw(
      async (request) => {
        if (request.index > 0) return request.respond(200, { body: 'good' });
        // The end and what comes behind it in one packet, so that both are there when the end is read.
        const [most, end] = [Buffer.alloc(size - 10_000), Buffer.alloc(10_000)];
        await new Promise<void>((resolve) =>
          request.socket.write(Buffer.concat([Buffer.from(head), most]), () => resolve()),
        );
        await setTimeout(20);
        return request.socket.write(Buffer.concat([end, Buffer.from(forged)]));
      },
      { sockets: 1 },
    );
    const { body } = await backend.send({ ...get, key: 'large', signal: never() });
    body.cutInto?.({ first: 100_048, others: 100_000 });
    const waiting = waits ? text(backend, 'next') : undefined;
    for await (const piece of body) expect(piece.length).toBeGreaterThan(0);
    expect(await (waiting ?? text(backend, 'next'))).toBe('good');
    expect(server.accepted()).toBe(2);
  });

  test('chunked, it comes as it comes', async () => {
    const { backend } = await startRaw(({ socket }) =>
      socket.write(
        `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${'30d40\r\n'}${'x'.repeat(200_000)}\r\n0\r\n\r\n`,
      ),
    );
    const found = await read(backend, 'k');
    expect(found.sha256).toBe(createHash('sha256').update('x'.repeat(200_000)).digest('hex'));
  });
});

test('a reader that stops holds the store back', async () => {
  const size = 256 << 20;
  let written = 0;
  const { backend } = await startRaw(({ socket }) => {
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`);
    const piece = Buffer.alloc(1 << 20);
    const more = () => {
      while (written < size) {
        written += piece.length;
        if (!socket.write(piece)) return void socket.once('drain', more);
      }
      return undefined;
    };
    more();
  });
  const response = await backend.send({ ...get, key: 'k', signal: never() });
  let settled = -1;
  while (settled !== written) {
    settled = written;
    await setTimeout(100);
  }
  // What the kernel holds for both ends, and a few reads.
  expect(written).toBeLessThan(64 << 20);
  let read = 0;
  for await (const piece of response.body as AsyncIterable<Buffer>) read += piece.length;
  expect(read).toBe(size);
});

test('a body without a length ends with the connection, which is not used again', async () => {
  const { backend, server } = await startRaw(({ socket }) => socket.end('HTTP/1.1 200 OK\r\n\r\nall of it'));
  for (let i = 0; i < 2; i++) expect(await text(backend, 'k')).toBe('all of it');
  expect(server.accepted()).toBe(2);
});

test.each([
  ['Connection: close', 3],
  ['Keep-Alive: timeout=1', 3],
  ['Keep-Alive: timeout=60, max=100', 1],
])('%s: three requests take %i connections', async (header, connections) => {
  const { backend, server } = await startRaw(({ socket }) =>
    socket.write(`HTTP/1.1 200 OK\r\n${header}\r\nContent-Length: 2\r\n\r\nok`),
  );
  for (let i = 0; i < 3; i++) expect(await text(backend, 'k')).toBe('ok');
  expect(server.accepted()).toBe(connections);
});

describe("an answer that nobody asked for is nobody's", () => {
  test('on a connection that is kept', async () => {
    const { backend, server } = await startRaw(({ socket, index }) => {
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nr${index}`);
      if (index === 0) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged');
    });
    expect(await text(backend, 'first')).toBe('r0');
    expect(await text(backend, 'second')).toBe('r1');
    expect(server.accepted()).toBe(2);
  });

  test.each([
    ['a body', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nr0'],
    ['chunks', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nr0\r\n0\r\n\r\n'],
    ['no body', 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'],
  ])('read together with %s, while another request waits for the connection', async (_, wire) => {
    const { backend, server } = await startRaw(
      ({ socket, index }) =>
        void socket.write(
          index === 0
            ? `${wire}HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged`
            : `HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nr${index}`,
        ),
      { sockets: 1 },
    );
    const [first, second] = await Promise.all([text(backend, 'first'), text(backend, 'second')]);
    expect(['', 'r0']).toContain(first);
    expect(second).toBe('r1');
    expect(server.accepted()).toBe(2);
  });
});

test('closing ends what is under way and what waits, and sends nothing again', async () => {
  const { backend, server } = await startRaw((request) => (request.index === 0 ? request.respond(200) : undefined), {
    sockets: 1,
  });
  await text(backend, 'first');
  const outcomes = ['kept', 'waiting'].map((key) => text(backend, key).catch((error: unknown) => error));
  await expect.poll(() => server.requests.length).toBe(2);
  await backend.close();
  for (const outcome of await Promise.all(outcomes)) expect(outcome).toBeInstanceOf(BackendUnavailable);
  await expect(text(backend, 'later')).rejects.toBeInstanceOf(BackendUnavailable);
  await server.idle();
  expect([server.requests.length, server.accepted()]).toEqual([2, 1]);
});

test('an answer with a body that comes before the request is whole fails it, and nothing else', async () => {
  const { backend, server } = await startRaw(({ socket, index }) =>
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n${index === 0 ? 'early' : 'after'}`),
  );
  async function* chunks() {
    yield Buffer.from('a');
    await setTimeout(200);
    yield Buffer.from('b');
  }
  const put = { method: 'PUT', bucket: 'data', key: 'k', body: { length: 2, chunks: chunks() } } as const;
  await expect(backend.send({ ...put, signal: never() })).rejects.toBeInstanceOf(BackendUnavailable);
  expect(await text(backend, 'k')).toBe('after');
  expect(server.accepted()).toBe(2);
});

describe('what can become no response fails at once, though the store keeps the connection open and silent', () => {
  test.each([
    ['a head with bare line feeds', 'HTTP/1.1 200 OK\nContent-Length: 2\n\nok'],
    ['one line with a bare line feed', 'HTTP/1.1 200 OK\r\nContent-Length: 2\nETag: "e"\r\n'],
    ['a bare carriage return', 'HTTP/1.1 200 OK\rContent-Length: 2\r\n'],
    ['another protocol', 'SSH-2.0-OpenSSH_9.2\r\n'],
    ['an empty line before the head', '\r\nHTTP/1.1 200 OK\r\n'],
    ['the answer of a server that wants TLS', Buffer.from('15030100020246', 'hex')],
    ['a version that is none', 'HTTP/3'],
    ['a header without a name', 'HTTP/1.1 200 OK\r\n: x'],
    ['a folded header', 'HTTP/1.1 200 OK\r\nA: b\r\n c'],
    ['a control character in a header', 'HTTP/1.1 200 OK\r\nA: b\u0000'],
  ])('%s', async (_, wire) => {
    const { backend, server } = await startRaw(({ socket }) => socket.write(wire));
    await expect(text(backend, 'k')).rejects.toBeInstanceOf(BackendUnavailable);
    await server.idle();
  });

  test.each([
    ['a chunk without a size', 'x'],
    ['a size of too many digits', '1234567890123'],
    ['a size with a bare line feed', '2\nok'],
    ['a chunk that is longer than its size', '2\r\nokay'],
    ['a control character behind a size', '2;a\u0000'],
    ['a trailer without a name', '2\r\nok\r\n0\r\n:'],
    ['a trailer with a bare line feed', '2\r\nok\r\n0\r\na: b\n'],
  ])('%s', async (_, body) => {
    const head = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n';
    const { backend, server } = await startRaw(({ socket }) => socket.write(head + body));
    await expect(text(backend, 'k')).rejects.toBeInstanceOf(BackendUnavailable);
    await server.idle();
  });
});

describe('no HTTP is BackendUnavailable, and the connection is closed', () => {
  const cases: [string, string][] = [
    ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc'],
    ['length and chunks', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
    ['a folded header', 'HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 0\r\n\r\n'],
    ['bare line feeds', 'HTTP/1.1 200 OK\nContent-Length: 0\n\n\r\n\r\n'],
    ['another protocol', 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n'],
    ['a bad chunk', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n'],
    ['an endless head', `HTTP/1.1 200 OK\r\n${'a: b\r\n'.repeat(20_000)}`],
    ['endless interim responses', 'HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(20_000)],
  ];
  test.each(cases)('%s', async (_, wire) => {
    const { backend, server } = await startRaw(({ socket }) => void socket.write(wire));
    const outcome = await backend
      .send({ ...get, key: 'k', signal: never() })
      .then((response) => readBody(response, { maxBytes: 100 }))
      .catch((error: unknown) => error);
    expect(outcome).toBeInstanceOf(BackendUnavailable);
    await server.idle();
    expect(server.requests).toHaveLength(1);
  });
  test('all of them', () => expect(cases).toHaveLength(8));
});

test('whatever bytes come: a response, or BackendUnavailable, and the next request is served', async () => {
  const good = [
    'HTTP/1.1 200 OK\r\nETag: "e"\r\nContent-Length: 5\r\n\r\nhello',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\na: b\r\n\r\n',
    'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\nno',
  ];
  const at = fc.nat({ max: 200 });
  const bytes = fc.uint8Array({ maxLength: 6 }).map((some) => Buffer.from(some).toString('latin1'));
  const strokes = fc.constantFrom(
    '\r\n',
    '\n',
    ':',
    ' ',
    '\0',
    'Content-Length: 7\r\n',
    '0\r\n\r\n',
    'HTTP/1.1 200 OK\r\n',
  );
  const change = fc.record({ at, drop: fc.nat({ max: 9 }), add: fc.oneof(bytes, strokes) });
  const wires = fc
    .sample(fc.tuple(fc.constantFrom(...good), fc.array(change, { maxLength: 2 })), 400)
    .map(([wire, changes]) =>
      changes.reduce((text, { at: from, drop, add }) => {
        const cut = from % (text.length + 1);
        return text.slice(0, cut) + add + text.slice(cut + drop);
      }, wire),
    );
  const answer = ({ socket, requestLine }: RawRequest) => {
    const wire = wires[Number(requestLine.split(/[ /]/)[3])];
    const sent = Buffer.from(wire ?? good[0] ?? '', 'latin1');
    if (wire === undefined) return void socket.write(sent);
    // Half of them end there, the others after the client had time for what it does.
    if (wire.length % 2 === 0) socket.end(sent);
    else socket.write(sent, () => void setTimeout(50).then(() => socket.end()));
    return undefined;
  };
  const { backend: from } = await startRaw(answer);
  const outcomes = await Promise.all(
    wires.map((_, key) =>
      text(from, String(key)).then(
        () => 'response',
        (error: unknown) => error,
      ),
    ),
  );
  const failures = outcomes.filter((outcome) => outcome !== 'response');
  expect(failures.every((error) => error instanceof BackendUnavailable)).toBe(true);
  // Both happen, or the changes were of no use.
  expect(failures.length).toBeGreaterThan(20);
  expect(outcomes.length - failures.length).toBeGreaterThan(20);
  expect(await text(from, 'good')).toBe('hello');
});

test('a head that would end its own line is never sent', async () => {
  const { backend, server } = await startRaw((request) => request.respond(200));
  for (const value of ['a\r\nx: y', 'a\nb', 'a\0b', 'a\u0100b']) {
    await expect(backend.send({ ...get, key: 'k', headers: { 'x-amz-a': value }, signal: never() })).rejects.toThrow();
  }
  expect(server.accepted()).toBe(0);
  discard(await backend.send({ ...get, key: 'k', signal: never() }));
});
