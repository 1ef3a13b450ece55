/**
 * A listener that has all its connections in use: one line in the log when that begins and one when it ends, and an answer for
 * /readyz. With several workers the primary process answers that, so they tell it.
 */
import cluster, { type Worker } from 'node:cluster';
import type { Logger } from './log.ts';

/** For `startServer`. */
export function reportFull(log: Logger, limit: number): (isFull: boolean) => void {
  return (isFull) => {
    if (isFull) log.warn({ connections: limit }, 'all connections are in use: further ones are refused');
    else log.info({ connections: limit }, 'connections are free again');
    if (!cluster.isWorker || process.send === undefined || !process.connected) return;
    const message: FullListener = { kind: 'full-listener', isFull };
    process.send(message);
  };
}

interface FullListener {
  readonly kind: 'full-listener';
  readonly isFull: boolean;
}

/** In the primary process. Connections go to the workers in turn, so one that is full refuses its share of all that come. */
export function anyWorkerFull(): () => boolean {
  const full = new Set<number>();
  cluster.on('message', (from: Worker, message: unknown) => {
    if (!isFullListener(message)) return;
    if (message.isFull) full.add(from.id);
    else full.delete(from.id);
  });
  cluster.on('exit', (worker) => void full.delete(worker.id));
  return () => full.size > 0;
}

function isFullListener(message: unknown): message is FullListener {
  return typeof message === 'object' && message !== null && 'kind' in message && message.kind === 'full-listener';
}
