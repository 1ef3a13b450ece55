/** A closed loop: each connection sends its next request when the last one was answered, until the time is over. */
import type { Connection } from './connection.ts';

/** One operation on one connection. @returns bytes of plaintext moved. @throws Error when it failed. */
export type Operation = (connection: Connection, turn: { worker: number; count: number }) => Promise<number>;

export interface Driven {
  readonly operations: number;
  readonly errors: readonly string[];
  readonly bytes: number;
  /** From the first request to the last reply. */
  readonly seconds: number;
  /** Milliseconds of each operation that succeeded. */
  readonly latencies: readonly number[];
}

/** Failed operations on one connection after which it gives up. */
const MOST_ERRORS = 20;

export async function drive(o: {
  readonly connections: readonly Connection[];
  readonly operation: Operation;
  /** No operation begins later than this; those under way are finished, and counted. */
  readonly milliseconds: number;
  /** Operations of each connection, whatever the time. */
  readonly least: number;
  /** Outside the measured latency. */
  readonly before?: (() => Promise<void>) | undefined;
}): Promise<Driven> {
  const latencies: number[] = [];
  const errors: string[] = [];
  let bytes = 0;
  const started = performance.now();
  const end = started + o.milliseconds;
  const work = async (connection: Connection, worker: number) => {
    let failed = 0;
    for (let count = 0; failed < MOST_ERRORS && (count < o.least || performance.now() < end); count++) {
      await o.before?.();
      const begun = performance.now();
      try {
        // Not `bytes += await ...`: that would take the sum as it was before the wait, and lose the other connections'.
        const moved = await o.operation(connection, { worker, count });
        bytes += moved;
        latencies.push(performance.now() - begun);
      } catch (error) {
        failed += 1;
        errors.push(error instanceof Error ? error.message : 'unknown failure');
      }
    }
  };
  await Promise.all(o.connections.map(work));
  const seconds = (performance.now() - started) / 1000;
  return { operations: latencies.length, errors, bytes, seconds, latencies };
}
