/**
 * The address that the workers of one server share. Where the operating system can (SO_REUSEPORT), each worker has a listener and a
 * queue of its own, and the kernel spreads connections over the listeners. Elsewhere node's primary process accepts all
 * connections and hands each one to a worker, which takes a message both ways for every connection.
 *
 * SO_REUSEPORT alone would let a second server of the same user share the address unnoticed. So the address is bound without
 * the option first, which fails when anybody listens there. Then it stays bound: the kernel gives a port that it chose to nobody
 * else, also while no worker listens.
 *
 * An address that is bound refuses nobody before somebody listens. Of two servers that start at once on Linux, a name that one
 * process alone can have refuses the second one until then.
 */
import { lookup } from 'node:dns/promises';
import { once } from 'node:events';
import { BoundSocket, createServer, type Server } from 'node:net';
import type { ListenAddress } from '../http/listen-address.ts';
import { listening } from './listen-failure.ts';

export interface SharedAddress {
  /** The port may have been 0 in the settings. */
  readonly address: ListenAddress;
  /** Whether each worker listens by itself. */
  readonly hasReusePort: boolean;
  /** Call it when a worker listens. */
  served(): void;
  /** Call it when no worker listens any more. */
  release(): void;
}

/** @throws ConfigError by the variable's name when the address is in use, or is none of this machine */
export function reserveAddress(address: ListenAddress): Promise<SharedAddress> {
  return listening('SEALGATE_LISTEN', address, async () => {
    const { address: host } = await lookup(address.host);
    const start = await startAlone({ host, port: address.port });
    const served = () => void start?.close();
    try {
      const alone = new BoundSocket({ host, port: address.port });
      const { port } = alone.address();
      alone.close();
      const reserved = reserve({ host, port });
      if (reserved === undefined) return { address, hasReusePort: false, served, release: served };
      const release = () => {
        served();
        reserved.close();
      };
      return { address: { host, port }, hasReusePort: true, served, release };
    } catch (error) {
      served();
      throw error;
    }
  });
}

/**
 * Takes a name of the network namespace, as the port is one (unix(7), "abstract"). `undefined`: the system has no such names, or
 * chooses the port. @throws Error EADDRINUSE while another server starts on the same address
 */
async function startAlone({ host, port }: ListenAddress): Promise<Server | undefined> {
  if (process.platform !== 'linux' || port === 0) return undefined;
  const server = createServer((socket) => socket.destroy()).listen(`\0sealgate ${host} ${port}`);
  await once(server, 'listening');
  return server;
}

/** Binds the address without listening, so no connection comes to it. `undefined` where the operating system has no such option. */
function reserve(address: ListenAddress): BoundSocket | undefined {
  try {
    return new BoundSocket({ ...address, reusePort: true });
  } catch (error) {
    if ((error as { code?: string }).code === 'ENOTSUP') return undefined;
    throw error;
  }
}
