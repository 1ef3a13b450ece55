/**
 * Runs queued mutations in one transaction, each inside a savepoint: one fsync of the log acknowledges them all, and a
 * refused one leaves no trace. Nothing is answered before the commit has returned.
 */
import type { DatabaseSync } from 'node:sqlite';
import { S3Error } from '../../errors.ts';
import { LOCAL_LOCK_WAIT_MS } from '../../limits.ts';
import { MUTATIONS } from './mutations/mutations.ts';
import type { Transaction } from './transaction.ts';
import type { MutationMessage, Outcome } from './writer-protocol.ts';

export interface Committed {
  readonly outcomes: readonly Outcome[];
  /** Blob files that nothing refers to any more. */
  readonly garbage: readonly string[];
}

/** Never throws: a failure of the index is the outcome of every mutation of the group. */
export function commitGroup(db: DatabaseSync, tx: Transaction, group: readonly MutationMessage[]): Committed {
  const outcomes: Outcome[] = [];
  const garbage: string[] = [];
  try {
    begin(db);
    for (const message of group) {
      outcomes.push(runOne(db, tx, message));
      garbage.push(...tx.takeGarbage());
    }
    db.exec('COMMIT');
    return { outcomes, garbage };
  } catch (error) {
    tx.takeGarbage();
    if (db.isTransaction) db.exec('ROLLBACK');
    const failure = describe(error);
    return { outcomes: group.map(({ id }) => ({ id, ...failure })), garbage: [] };
  }
}

/** Takes the write lock, waiting in short steps: SQLite's own wait backs off too long when processes alternate. */
export function begin(db: DatabaseSync): void {
  const deadline = Date.now() + LOCAL_LOCK_WAIT_MS;
  for (;;) {
    try {
      db.exec('BEGIN IMMEDIATE');
      return;
    } catch (error) {
      if (!isBusy(error) || Date.now() > deadline) throw error;
      Atomics.wait(PAUSE, 0, 0, 1 + Math.random() * 2);
    }
  }
}

const PAUSE = new Int32Array(new SharedArrayBuffer(4));
/** SQLITE_BUSY, in the low byte of an extended result code. */
const BUSY = 5;

function isBusy(error: unknown): boolean {
  const code = (error as { errcode?: number }).errcode;
  return code !== undefined && (code & 0xff) === BUSY;
}

function runOne(db: DatabaseSync, tx: Transaction, message: MutationMessage): Outcome {
  tx.save();
  try {
    const mutate = MUTATIONS[message.name] as (tx: Transaction, argument: unknown) => unknown;
    const result = mutate(tx, message.argument);
    tx.keep();
    return { id: message.id, result };
  } catch (error) {
    // A full disk or an I/O error ends the whole transaction, and with it the group.
    if (!db.isTransaction) throw error;
    tx.undo();
    if (error instanceof S3Error) {
      return {
        id: message.id,
        refused: { code: error.code, status: error.status, message: error.message, details: error.details },
      };
    }
    return { id: message.id, ...describe(error) };
  }
}

/** SQLITE_FULL, which stands for the system's ENOSPC. */
const FULL = 13;

function describe(error: unknown): { readonly failed: string; readonly isFull: boolean } {
  const code = (error as { errcode?: number } | undefined)?.errcode ?? 0;
  return { failed: error instanceof Error ? error.message : String(error), isFull: (code & 0xff) === FULL };
}
