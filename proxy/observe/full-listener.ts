/**
 * Reports a listener whose connections are all in use: one line in the log when that begins, one when it ends, and an answer for
 * /readyz. With several workers the primary process answers /readyz, so the workers tell it.
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

/** For the primary process. Each worker refuses connections by itself when it is full. */
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
