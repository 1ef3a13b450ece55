/** Protects: memory. A client that stops reading stops the reading of the backend, and a backend that stops stops that of the client. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { sharedBench } from '../helpers/bench.ts';
import { MiB } from '../helpers/bytes.ts';
import {
  headText,
  objectPath,
  RawConnection,
  type RawRequest,
  signHeaders,
  withLength,
} from '../helpers/raw-client.ts';

const body = randomBytes(32 * MiB);
const bench = sharedBench();
const host = () => new URL(bench.proxy.endpoint).host;
const turns = async (count: number) => {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
};

test('a reader that stops stops the reading of the backend', async () => {
  const path = objectPath(bench.bucket, 'slow');
  const get: RawRequest = { method: 'GET', path };
  await bench.send({ method: 'PUT', path, body });
  await bench.send({ method: 'HEAD', path });
  const mark = bench.backend.requests.length;
  const socket = await RawConnection.open(bench.proxy.endpoint);
  socket.socket.pause();
  socket.write(headText({ method: 'GET', target: path, headers: signHeaders(get, bench.tenant, host()) }));
  const read = () => Math.max(0, ...bench.backend.since(mark, bench.bucket).map(({ readBytes }) => readBytes));
  while (read() < MiB) await turns(1);
  await turns(5000);
  // What the kernel takes into its own buffers, and two batches on the way.
  expect(read()).toBeLessThan(16 * MiB);
  socket.socket.resume();
  while (read() < body.length) await turns(1);
  socket.close();
});

test('a backend that stops stops the reading of the client', async () => {
  let release: () => void = () => undefined;
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  bench.backend.intercept = async (request, next) => {
    if (request.method !== 'PUT' || request.body === undefined || Buffer.isBuffer(request.body)) return next(request);
    const { length, chunks } = request.body;
    async function* slow(): AsyncGenerator<Buffer> {
      for await (const chunk of chunks) {
        yield chunk;
        await held;
      }
    }
    return next({ ...request, body: { length, chunks: slow() } });
  };
  const path = objectPath(bench.bucket, 'slow-put');
  const request: RawRequest = { method: 'PUT', path, body, payload: 'UNSIGNED-PAYLOAD' };
  const socket = await RawConnection.open(bench.proxy.endpoint);
  socket.write(
    headText({
      method: 'PUT',
      target: path,
      headers: withLength(request, signHeaders(request, bench.tenant, host())),
    }),
  );
  let sent = 0;
  const sending = (async () => {
    for (; sent < body.length; sent += 65536) {
      const isTaken = socket.socket.write(body.subarray(sent, sent + 65536));
      if (!isTaken) await once(socket.socket, 'drain');
    }
  })();
  while (sent < MiB) await turns(1);
  await turns(5000);
  expect(sent).toBeLessThan(16 * MiB);
  release();
  await sending;
  await socket.until(/HTTP\/1\.1 200/);
  socket.close();
  bench.backend.intercept = (passed, next) => next(passed);
  expect((await bench.send({ method: 'HEAD', path })).headers['content-length']).toBe(String(body.length));
});
