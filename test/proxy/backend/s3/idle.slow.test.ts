// Protects: the time for which a reader, or the source of a body, kept the store waiting is not the store's silence.
import { setTimeout } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { readBody } from '../../../../proxy/backend/read-body.ts';
import { never, startRaw } from './open.ts';

test('a reader that comes back shortly before the end of the wait', async () => {
  let sendRest = () => {};
  const { backend } = await startRaw(
    ({ socket }) => {
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n${'x'.repeat(100_000)}`);
      sendRest = () => void socket.write('y'.repeat(100_000));
    },
    { timeouts: { idleMs: 4_000 } },
  );
  const { body } = await backend.send({ method: 'GET', bucket: 'data', key: 'k', signal: never() });
  const pieces = (body as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
  await setTimeout(3_000);
  let length = (await pieces.next()).value?.length ?? 0;
  const rest = setTimeout(2_000).then(() => sendRest());
  for (let step = await pieces.next(); step.done !== true; step = await pieces.next()) length += step.value.length;
  expect(length).toBe(200_000);
  await rest;
});

test('a reader that comes long after the end of the wait', async () => {
  const size = 8 << 20;
  const { backend } = await startRaw((request) => request.respond(200, { body: Buffer.alloc(size) }), {
    timeouts: { idleMs: 2_000 },
  });
  const response = await backend.send({ method: 'GET', bucket: 'data', key: 'k', signal: never() });
  await setTimeout(5_000);
  expect(await readBody(response, { maxBytes: size })).toHaveLength(size);
});

test('a source that pauses for longer than the wait', async () => {
  const { backend } = await startRaw(
    async (request) => {
      request.socket.write('HTTP/1.1 100 Continue\r\n\r\n');
      if (await request.received()) request.respond(200);
    },
    { timeouts: { idleMs: 2_000 } },
  );
  async function* chunks() {
    yield Buffer.from('a');
    await setTimeout(5_000);
    yield Buffer.from('b');
  }
  const body = { length: 2, chunks: chunks() };
  const response = await backend.send({ method: 'PUT', bucket: 'data', key: 'k', body, signal: never() });
  expect(response.status).toBe(200);
});
