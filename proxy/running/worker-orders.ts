/**
 * The orders that the primary process gives its workers. Workers do not react to signals: supervisors and terminals send signals to
 * all processes of a group, and a worker that stopped at once would refuse connections while the server still says that it is
 * ready.
 */
import cluster, { type Worker } from 'node:cluster';

/**
 * `drain`: replies end their connections from now on. `stop`: finish and exit. `reload`: read files and settings again. `sealKey`:
 * that seal key signs from now on.
 */
export type Order = 'drain' | 'stop' | 'reload' | { readonly sealKey: string };

interface OrderMessage {
  readonly kind: 'order';
  readonly order: Order;
}

/** Orders for workers that do not listen to them yet. A message that comes too early would be lost. */
const early = new WeakMap<Worker, Order[]>();

/** In the primary process, before the first worker is started. */
export function prepareOrders(): void {
  cluster.on('fork', (worker) => early.set(worker, []));
  cluster.on('message', (worker: Worker, message: unknown) => {
    if (message !== LISTENING) return;
    const orders = early.get(worker) ?? [];
    early.delete(worker);
    for (const order of orders) orderWorker(worker, order);
  });
}

const LISTENING = 'listening to orders';

/** In the primary process. */
export function orderWorkers(order: Order): void {
  for (const worker of Object.values(cluster.workers ?? {}))
    if (worker?.isConnected() === true) orderWorker(worker, order);
}

export function orderWorker(worker: Worker, order: Order): void {
  const message: OrderMessage = { kind: 'order', order };
  const waiting = early.get(worker);
  if (waiting === undefined) worker.send(message);
  else waiting.push(order);
}

/** In a worker, from now on: orders in their order, and no signals. */
export function receiveOrders(): { next(): Promise<Order> } {
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => undefined);
  const received: Order[] = [];
  let wake = () => {};
  process.on('message', (message: unknown) => {
    if (!isOrder(message)) return;
    received.push(message.order);
    wake();
  });
  process.send?.(LISTENING);
  return {
    async next() {
      for (;;) {
        const order = received.shift();
        if (order !== undefined) return order;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
  };
}

function isOrder(message: unknown): message is OrderMessage {
  return typeof message === 'object' && message !== null && 'kind' in message && message.kind === 'order';
}
