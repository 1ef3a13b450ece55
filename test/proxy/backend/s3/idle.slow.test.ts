// Protects: the time for which a reader kept the store waiting does not count as the store's silence.
import { setTimeout } from 'node:timers/promises';
import { expect, test } from 'vitest';
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
