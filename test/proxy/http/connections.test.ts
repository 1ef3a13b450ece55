/**
 * Protects: a proxy with all its connections in use says so to the next ones instead of leaving them without an answer, and
 * takes new ones as soon as old ones are closed.
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Bench, openBench } from '../../helpers/bench.ts';
import { signHeaders } from '../../helpers/raw-client.ts';

const LIMIT = 3;
let bench: Bench;
const sockets: Socket[] = [];

beforeAll(async () => {
  bench = await openBench({ maxConnections: LIMIT });
});
afterAll(async () => {
  for (const socket of sockets) socket.destroy();
  await bench.close();
});

async function open(): Promise<Socket> {
  const socket = connect(Number(new URL(bench.proxy.endpoint).port), '127.0.0.1');
  sockets.push(socket);
  await once(socket, 'connect');
  return socket;
}

/** The first reply on it. */
async function ask(socket: Socket): Promise<string> {
  const path = `/${bench.bucket}`;
  const headers = signHeaders({ method: 'GET', path }, bench.tenant, new URL(bench.proxy.endpoint).host);
  socket.write(`GET ${path} HTTP/1.1\r\n${headers.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`);
  const [reply] = (await once(socket, 'data')) as [Buffer];
  return reply.toString('latin1');
}

test('one connection too many gets SlowDown and is closed; when another one ends there is room again', async () => {
  const kept = await Promise.all(Array.from({ length: LIMIT }, open));
  for (const socket of kept) expect(await ask(socket)).toMatch(/^HTTP\/1\.1 200 /);
  const excess = await open();
  const closed = once(excess, 'close');
  const refusal = await ask(excess);
  expect(refusal).toMatch(/^HTTP\/1\.1 503 /);
  expect(refusal).toContain('<Code>SlowDown</Code>');
  expect(refusal).toMatch(/\r\nconnection: close\r\n/i);
  await closed;
  const [first] = kept;
  const gone = once(first as Socket, 'close');
  first?.destroy();
  await gone;
  // The server hears of it a moment later: until then it refuses, politely.
  await expect.poll(async () => (await ask(await open())).slice(0, 12), { interval: 5 }).toBe('HTTP/1.1 200');
});
