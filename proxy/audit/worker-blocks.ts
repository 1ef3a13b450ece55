/** Workers hand their events to the primary process, which writes the log of the whole server, and are told when they are written. */
import cluster, { type Worker } from 'node:cluster';
import type { Block, WriteBlock } from './block.ts';

interface BlockMessage extends Omit<Block, 'packed'> {
  readonly kind: 'audit-block';
  readonly id: number;
  /** Base64: messages between processes are JSON. */
  readonly packed: string;
}

interface WrittenMessage {
  readonly kind: 'audit-written';
  readonly id: number;
  readonly isWritten: boolean;
}

/** In a worker. */
export function blocksToPrimary(): WriteBlock {
  const waiting = new Map<number, PromiseWithResolvers<void>>();
  let next = 0;
  process.on('message', (message: unknown) => {
    if (!isWrittenMessage(message)) return;
    const block = waiting.get(message.id);
    waiting.delete(message.id);
    if (message.isWritten) block?.resolve();
    else block?.reject(new Error('The primary process did not write the audit.'));
  });
  return ({ packed, ...block }) => {
    if (process.send === undefined || !process.connected) {
      return Promise.reject(new Error('The primary process is gone.'));
    }
    const id = next;
    next += 1;
    const written = Promise.withResolvers<void>();
    waiting.set(id, written);
    const message: BlockMessage = { kind: 'audit-block', id, ...block, packed: packed.toString('base64') };
    process.send(message);
    return written.promise;
  };
}

/** In the primary process, before the first worker is started. */
export function blocksFromWorkers(write: WriteBlock): void {
  cluster.on('message', (worker: Worker, message: unknown) => {
    if (!isBlockMessage(message)) return;
    const { id, kind: _kind, packed, ...block } = message;
    const tell = (isWritten: boolean) => {
      const answer: WrittenMessage = { kind: 'audit-written', id, isWritten };
      if (worker.isConnected()) worker.send(answer);
    };
    write({ ...block, packed: Buffer.from(packed, 'base64') }).then(
      () => tell(true),
      () => tell(false),
    );
  });
}

function isBlockMessage(message: unknown): message is BlockMessage {
  return typeof message === 'object' && message !== null && 'kind' in message && message.kind === 'audit-block';
}

function isWrittenMessage(message: unknown): message is WrittenMessage {
  return typeof message === 'object' && message !== null && 'kind' in message && message.kind === 'audit-written';
}
