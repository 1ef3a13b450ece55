/**
 * Two workers of one listener with little room, and more connections than both take. Prints how many the server ended. With a port as
 * argument each worker has a listener of its own there.
 */
import cluster from 'node:cluster';
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import { startServer } from '../../../proxy/http/server.ts';
import { REFUSED_CONNECTIONS } from '../../../proxy/limits.ts';
import type { Pipeline } from '../../../proxy/pipeline-parts.ts';

const WORKERS = 2;
const LIMIT = 10;
const EXCESS = 20;

async function primary(): Promise<void> {
  const workers = Array.from({ length: WORKERS }, () => cluster.fork());
  const [[port]] = (await Promise.all(workers.map((worker) => once(worker, 'message')))) as [[number]];
  let ended = 0;
  for (let i = 0; i < WORKERS * (LIMIT + REFUSED_CONNECTIONS) + EXCESS; i++) {
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.once('close', () => {
      ended += 1;
    });
    await once(socket, 'connect');
  }
  for (const deadline = Date.now() + 10_000; ended < EXCESS && Date.now() < deadline; ) await setTimeout(20);
  process.stdout.write(JSON.stringify({ excess: EXCESS, ended }));
  for (const worker of workers) worker.kill('SIGKILL');
  process.exit();
}

async function worker(): Promise<void> {
  const port = Number(process.argv[2] ?? 0);
  const limits = { maxConnections: LIMIT };
  // No request comes, so nothing of the pipeline is touched.
  const { address } = await startServer({} as Pipeline, {
    listen: { host: '127.0.0.1', port },
    limits,
    reusePort: port > 0,
  });
  process.send?.(address.port);
}

await (cluster.isPrimary ? primary() : worker());
