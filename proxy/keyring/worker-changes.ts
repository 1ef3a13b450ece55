/**
 * Workers of one server tell each other that a keyring changed, so that a key revoked on one is refused by all at once
 * (docs/keys.md, when a change takes effect). What is told is a tenant's id and a generation: never keys, and nothing that is
 * believed further than that a keyring has to be read again.
 */
import cluster, { type Worker } from 'node:cluster';

interface KeyringChange {
  readonly kind: 'keyring-change';
  /** 24 hex digits. */
  readonly tenant: string;
  readonly generation: number;
}

/** In the primary process: what one worker tells goes to all others. */
export function relayKeyringChanges(): void {
  cluster.on('message', (from: Worker, message: unknown) => {
    if (!isKeyringChange(message)) return;
    for (const worker of Object.values(cluster.workers ?? {})) {
      if (worker !== undefined && worker.id !== from.id && worker.isConnected()) worker.send(message);
    }
  });
}

/** In a worker: tells the others. Elsewhere there is nobody to tell. */
export function tellWorkers(tenant: string, generation: number): void {
  if (!cluster.isWorker || process.send === undefined || !process.connected) return;
  const message: KeyringChange = { kind: 'keyring-change', tenant, generation };
  process.send(message);
}

/** In a worker: what the others tell. Returns how to stop listening. */
export function onWorkersChange(note: (tenant: string, generation: number) => void): () => void {
  const listener = (message: unknown) => {
    if (isKeyringChange(message)) note(message.tenant, message.generation);
  };
  if (!cluster.isWorker) return () => undefined;
  process.on('message', listener);
  return () => void process.off('message', listener);
}

function isKeyringChange(message: unknown): message is KeyringChange {
  return typeof message === 'object' && message !== null && 'kind' in message && message.kind === 'keyring-change';
}
