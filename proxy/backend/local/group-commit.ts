/**
 * Runs queued mutations in one transaction, each inside a savepoint: one fsync of the log acknowledges them all, and a
 * refused one leaves no trace. Nothing is answered before the commit has returned.
 *
 * On a full disk those that make room, or that reads need, are run alone, and with the room of the reserve (reserve.ts).
 */
import type { DatabaseSync } from 'node:sqlite';
import { S3Error } from '../../errors.ts';
import { LOCAL_LOCK_WAIT_MS } from '../../limits.ts';
import { MUTATIONS, type MutationName } from './mutations/mutations.ts';
import type { Reserve } from './reserve.ts';
import type { Transaction } from './transaction.ts';
import type { MutationMessage, Outcome } from './writer-protocol.ts';

export interface Committed {
  readonly outcomes: readonly Outcome[];
  /** Blob files that nothing refers to any more. */
  readonly garbage: readonly string[];
}

/** Mutations that make the store smaller, or hardly larger. */
const ON_A_FULL_DISK: ReadonlySet<MutationName> = new Set<MutationName>([
  'abortUpload',
  'deleteBucket',
  'deleteObject',
  'deleteObjects',
  'forgetGarbage',
  'pin',
  'unpin',
]);

function mayTakeReserve({ name, isEssential }: MutationMessage): boolean {
  return isEssential === true || ON_A_FULL_DISK.has(name);
}

/** Never throws: a failure of the index is the outcome of every mutation of the group. */
export function commitGroup(
  db: DatabaseSync,
  tx: Transaction,
  group: readonly MutationMessage[],
  reserve: Reserve,
): Committed {
  const all = commit(db, tx, group, { mayGrow: () => reserve.keep() });
  if (!isFull(all.failure) || !group.some(mayTakeReserve)) return all;
  const few = { mayGrow: () => false };
  emptyLog(db);
  const again = commit(db, tx, group, few);
  return isFull(again.failure) && reserve.release() ? commit(db, tx, group, few) : again;
}

/** Moves the log into the index, so that its file starts anew. Readers in the way leave it as it is. */
function emptyLog(db: DatabaseSync): void {
  try {
    db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  } catch {
    // Without room for that either.
  }
}

function commit(
  db: DatabaseSync,
  tx: Transaction,
  group: readonly MutationMessage[],
  o: { readonly mayGrow: () => boolean },
): Committed & { readonly failure?: unknown } {
  const outcomes: Outcome[] = [];
  const garbage: string[] = [];
  try {
    begin(db);
    const mayGrow = o.mayGrow();
    for (const message of group) {
      const isRun = mayGrow || mayTakeReserve(message);
      outcomes.push(isRun ? runOne(db, tx, message) : { id: message.id, failed: 'no room is left', isFull: true });
      garbage.push(...tx.takeGarbage());
    }
    db.exec('COMMIT');
    return { outcomes, garbage };
  } catch (failure) {
    tx.takeGarbage();
    if (db.isTransaction) db.exec('ROLLBACK');
    const described = describe(failure);
    return { outcomes: group.map(({ id }) => ({ id, ...described })), garbage: [], failure };
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

/** SQLITE_FULL, which stands for the system's ENOSPC, and SQLITE_IOERR_SHMSIZE: the shared memory of the log has no room. */
const FULL = 13;
const NO_ROOM_FOR_SHARED_MEMORY = 10 | (19 << 8);

/** Whether an error of the index, or of a file, is a disk without room. */
export function isFull(error: unknown): boolean {
  const { errcode = 0, code } = (error ?? {}) as { errcode?: number; code?: string };
  return (errcode & 0xff) === FULL || errcode === NO_ROOM_FOR_SHARED_MEMORY || code === 'ENOSPC';
}

function describe(error: unknown): { readonly failed: string; readonly isFull: boolean } {
  return { failed: error instanceof Error ? error.message : String(error), isFull: isFull(error) };
}
