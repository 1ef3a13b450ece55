/**
 * The least that a proxy on Node's HTTP must do: take a request with node:http, send it on with node:http, and pipe both
 * bodies. No signatures, no encryption, no log. Its processor time for each GiB is part of the floor that Sealgate's own is
 * compared with. Argument: the backend, HOST:PORT.
 */
import { once } from 'node:events';
import { Agent, createServer, request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';

const [host, port] = (process.argv[2] ?? '').split(':');
const agent = new Agent({ keepAlive: true });

const server = createServer({ noDelay: true, keepAliveTimeout: 120_000 }, (incoming, outgoing) => {
  const { method, url, headers } = incoming;
  const upstream = httpRequest({ agent, host, port, method, path: url, headers, setHost: false }, (reply) => {
    outgoing.writeHead(reply.statusCode ?? 502, reply.headers);
    reply.pipe(outgoing);
  });
  upstream.on('error', () => outgoing.destroy());
  outgoing.on('close', () => {
    if (!outgoing.writableFinished) upstream.destroy();
  });
  incoming.pipe(upstream);
});

process.once('disconnect', () => process.exit(0));
server.listen(0, '127.0.0.1');
await once(server, 'listening');
process.send?.({ port: (server.address() as AddressInfo).port });
