// Protects: no answer is understood by the client towards the store that Node's parser or undici would refuse, or would read
// otherwise: where two readers see two responses, one of them is an attacker's.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runDifferential } from './differential.ts';
import { type ThreeClients, threeClients } from './three-clients.ts';

let clients: ThreeClients;
beforeAll(async () => {
  clients = await threeClients();
});
afterAll(() => clients.close());

test('random answers: the same verdict as both, or stricter', async () => {
  const tally = await runDifferential(clients, { runs: 400, seed: 7 });
  expect(tally.disagreements).toEqual([]);
  // They are not all refused alike.
  expect(tally.taken).toBeGreaterThan(10);
});

test('a good answer is taken by all three', async () => {
  const wire = 'HTTP/1.1 200 OK\r\nETag: "e"\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\na: b\r\n\r\n';
  const { ours, node, undici } = await clients.read('GET', [Buffer.from(wire)]);
  expect(ours).toMatchObject({ status: 200, headers: { etag: '"e"' } });
  expect([node, undici]).toEqual([ours, ours]);
});

describe('stricter than both, as docs/architecture.md lists', () => {
  test.each([
    ['an empty line before the status line', '\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'],
    ['a transfer coding other than chunked', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nok'],
    ['another version of HTTP', 'HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nok'],
    ['a control character in the reason phrase', 'HTTP/1.1 200 O\u0000K\r\nContent-Length: 2\r\n\r\nok'],
  ])('%s', async (_, wire) => {
    const { ours, node, undici } = await clients.read('GET', [Buffer.from(wire, 'latin1')]);
    expect(ours).toBe('refused');
    expect([node, undici]).not.toContain('refused');
  });
});

describe('a head that contradicts itself, where no body follows', () => {
  test.each([
    ['a length that is no number', 'HTTP/1.1 204 No Content\r\nContent-Length: -5\r\n\r\n'],
    ['two lengths', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n'],
    ['a length and chunks', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n'],
  ])('%s', async (_, wire) => {
    for (const method of ['GET', 'HEAD'] as const) {
      expect((await clients.read(method, [Buffer.from(wire)])).ours).toBe('refused');
    }
  });
});
