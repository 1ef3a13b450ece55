/** A server of one test: it listens on loopback, and ends with the test and all its connections. */
import { once } from 'node:events';
import type { Server as HttpServer } from 'node:http';
import type { Server as HttpsServer } from 'node:https';
import type { Server as TcpServer } from 'node:net';
import { onTestFinished } from 'vitest';

/** @returns the port */
export async function listening(server: HttpServer | HttpsServer | TcpServer): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    if ('closeAllConnections' in server) server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}
