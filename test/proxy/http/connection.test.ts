/**
 * Protects: what this process has queued for a connection does not count as sent. Node shows that on a socket's handle alone, so a
 * new version of it may take it away.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { expect, test } from 'vitest';
import { Connection } from '../../../proxy/http/connection.ts';

test('bytes count as sent when the operating system has taken them', async () => {
  const server = createServer({ pauseOnConnect: true });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
  client.pause();
  const [socket] = (await once(server, 'connection')) as [Socket];
  const connection = new Connection(socket, { phase: 'head', isExcess: false, now: 0 });
  const bytes = 32 * 1024 * 1024;
  socket.write(Buffer.alloc(bytes));
  await new Promise((resolve) => setImmediate(resolve));
  expect(connection.sent).toBeGreaterThan(0);
  expect(connection.sent).toBeLessThan(bytes);
  client.resume();
  await expect.poll(() => connection.sent).toBe(bytes);
  client.destroy();
  server.close();
});
