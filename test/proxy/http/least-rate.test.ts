/**
 * Protects: a client that sends a byte now and then does not keep its request, and what it holds, for ever; and one that is
 * only slow, or that the proxy itself does not read, is left alone.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { LeastRate, watchBody } from '../../../proxy/http/least-rate.ts';

let server: Server;
let client: Socket;
beforeEach(async () => {
  server = createServer();
  await once(server.listen(0, '127.0.0.1'), 'listening');
});
afterEach(() => {
  client.destroy();
  server.closeAllConnections();
  server.close();
});

async function upload(length: number): Promise<{ incoming: IncomingMessage; outgoing: ServerResponse }> {
  client = connect((server.address() as AddressInfo).port, '127.0.0.1');
  client.on('error', () => undefined);
  client.write(`PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: ${length}\r\n\r\n`);
  const [incoming, outgoing] = (await once(server, 'request')) as [IncomingMessage, ServerResponse];
  return { incoming, outgoing };
}

function watch(incoming: IncomingMessage, o: { windowMs: number; checkMs: number }): void {
  const rate = new LeastRate({ bytes: 1_000, windowMs: () => o.windowMs, checkMs: o.checkMs });
  watchBody(rate, incoming, () => incoming.destroy(new Error('too slow')));
}

/** Bytes that arrived until the body ended or was cut. */
async function readAll(incoming: IncomingMessage): Promise<{ bytes: number; cut: boolean }> {
  let bytes = 0;
  try {
    for await (const chunk of incoming) bytes += (chunk as Buffer).length;
    return { bytes, cut: false };
  } catch {
    return { bytes, cut: true };
  }
}

test('a body that drips is cut', async () => {
  const { incoming } = await upload(1_000_000);
  watch(incoming, { windowMs: 60, checkMs: 10 });
  const drip = setInterval(() => client.write('x'), 5);
  const { bytes, cut } = await readAll(incoming);
  clearInterval(drip);
  expect(cut).toBe(true);
  expect(bytes).toBeLessThan(1_000);
});

test('a slow body that brings its minimum arrives whole', async () => {
  const { incoming, outgoing } = await upload(40_000);
  watch(incoming, { windowMs: 1_000, checkMs: 10 });
  let left = 40;
  const feed = setInterval(() => {
    client.write(Buffer.alloc(1_000));
    if (--left === 0) clearInterval(feed);
  }, 30);
  expect(await readAll(incoming)).toEqual({ bytes: 40_000, cut: false });
  outgoing.end();
});

test("a body that nobody reads yet is not the client's fault", async () => {
  const { incoming, outgoing } = await upload(10);
  watch(incoming, { windowMs: 400, checkMs: 5 });
  await new Promise((resolve) => setTimeout(resolve, 900));
  expect(incoming.destroyed).toBe(false);
  client.write('0123456789');
  expect(await readAll(incoming)).toEqual({ bytes: 10, cut: false });
  outgoing.end();
});
