/**
 * A reply under way holds nothing but its own bytes: what else arrives on the connection, even what is no HTTP, is never
 * answered in the middle of it.
 */
import { once } from 'node:events';
import { connect } from 'node:net';
import { expect, test } from 'vitest';
import { sharedBench } from '../helpers/bench.ts';
import { headText, objectPath, signHeaders } from '../helpers/raw-client.ts';

const bench = sharedBench();

test('garbage behind a GET is not answered inside its body', async () => {
  const path = objectPath(bench.bucket, 'large');
  const body = Buffer.alloc(24 * 1024 * 1024, 'plaintext ');
  expect((await bench.send({ method: 'PUT', path, body })).status).toBe(200);

  const { hostname, port, host } = new URL(bench.proxy.endpoint);
  const socket = connect(Number(port), hostname);
  const request = { method: 'GET', path };
  socket.write(headText({ ...request, target: path, headers: signHeaders(request, bench.tenant, host) }));
  // The reply begins, the garbage is sent, and only then is the rest read: until then the proxy waits for the reader.
  const [first] = (await once(socket, 'data')) as [Buffer];
  socket.pause();
  const pieces = [first];
  await new Promise<void>((resolve) => socket.write('NO HTTP AT ALL\r\n\r\n', () => resolve()));
  socket.on('data', (piece: Buffer) => pieces.push(piece));
  socket.on('error', () => undefined);
  socket.resume();
  await new Promise<void>((resolve) => socket.once('close', () => resolve()));

  const received = Buffer.concat(pieces);
  const got = received.subarray(received.indexOf('\r\n\r\n') + 4);
  expect(received.toString('latin1', 0, 15)).toBe('HTTP/1.1 200 OK');
  expect(got.subarray(0, body.length).equals(body)).toBe(true);
  // The answer to the garbage is a reply of its own, behind the one it interrupted.
  expect(got.toString('latin1', body.length)).toMatch(/^HTTP\/1\.1 400 /);
});
