/**
 * A plain TCP balancer as a Service with readiness probes is one: it asks each replica's /readyz now and then, sends new connections
 * to those that are ready, and leaves the connections that there are alone.
 */
import { once } from 'node:events';
import { get } from 'node:http';
import { type AddressInfo, connect, createServer } from 'node:net';

export interface Replica {
  readonly port: number;
  readonly opsPort: number;
}

export interface Balancer {
  readonly endpoint: string;
  /** Connections for which no replica could be reached. */
  readonly failures: readonly string[];
  /** Connections that each replica got. */
  readonly taken: readonly number[];
  isReady(replica: Replica): boolean;
  close(): Promise<void>;
}

export async function startBalancer(replicas: readonly Replica[], o: { readonly probeMs: number }): Promise<Balancer> {
  const ready = new Set<Replica>();
  const failures: string[] = [];
  const taken = replicas.map(() => 0);
  const probe = async () => {
    for (const replica of replicas) {
      if (await answersReady(replica)) ready.add(replica);
      else ready.delete(replica);
    }
  };
  await probe();
  const timer = setInterval(() => void probe(), o.probeMs);
  let turn = 0;
  const server = createServer({ noDelay: true, allowHalfOpen: true }, (client) => {
    const able = replicas.filter((replica) => ready.has(replica));
    const replica = able[turn++ % able.length];
    if (replica === undefined) {
      failures.push('no replica is ready');
      client.destroy();
      return;
    }
    taken[replicas.indexOf(replica)] = (taken[replicas.indexOf(replica)] ?? 0) + 1;
    const upstream = connect({ port: replica.port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true });
    upstream.once('error', (error: NodeJS.ErrnoException) => {
      if (upstream.bytesRead === 0 && error.code === 'ECONNREFUSED') failures.push('a replica refused a connection');
      client.destroy();
    });
    client.once('error', () => upstream.destroy());
    client.once('close', () => upstream.destroy());
    upstream.once('close', () => client.destroySoon());
    client.pipe(upstream);
    upstream.pipe(client);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    failures,
    taken,
    isReady: (replica) => ready.has(replica),
    async close() {
      clearInterval(timer);
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function answersReady({ opsPort }: Replica): Promise<boolean> {
  return new Promise((resolve) => {
    get({ port: opsPort, host: '127.0.0.1', path: '/readyz', agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    }).once('error', () => resolve(false));
  });
}
