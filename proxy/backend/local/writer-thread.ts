/**
 * The writer thread: the only writer of the index in this process. It takes whatever mutations have arrived and commits
 * them as one group, so that fsync blocks neither the event loop nor more than one group at a time.
 */
import type { DatabaseSync } from 'node:sqlite';
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { LOCAL_GROUP_COMMIT } from '../../limits.ts';
import { makeFolders } from './folders.ts';
import { begin, commitGroup, isFull } from './group-commit.ts';
import { type Owner, registerOwner, sweep } from './owner.ts';
import { Reserve } from './reserve.ts';
import { openIndexForWriting } from './schema.ts';
import { Transaction } from './transaction.ts';
import type { FromWriter, MutationMessage, ToWriter } from './writer-protocol.ts';

const port = parentPort;
if (port === null) throw new Error('this module is the entry of a worker thread');
const { directory } = workerData as { directory: string };

const reserve = new Reserve(directory);
const { db, owner } = openWithRoom();
const tx = new Transaction(db, owner.id);

port.on('message', (first: ToWriter) => {
  const group: MutationMessage[] = [];
  let message: ToWriter | undefined = first;
  while (message !== undefined && 'id' in message) {
    group.push(message);
    message =
      group.length < LOCAL_GROUP_COMMIT ? (receiveMessageOnPort(port)?.message as ToWriter | undefined) : undefined;
  }
  if (group.length > 0) {
    const { outcomes, garbage } = commitGroup(db, tx, group, reserve);
    send({ outcomes, garbage });
  }
  if (message !== undefined) close();
});
send({ ready: { owner: owner.id } });

/** A store on a full disk opens all the same, so that something can be deleted. */
function openWithRoom(): Opened {
  try {
    return open();
  } catch (error) {
    if (!isFull(error) || !reserve.release()) throw error;
    return open();
  }
}

interface Opened {
  readonly db: DatabaseSync;
  readonly owner: Owner;
}

function open(): Opened {
  makeFolders(directory);
  const db = openIndexForWriting(directory);
  try {
    begin(db);
    const owner = registerOwner(directory);
    sweep(directory, db);
    reserve.keep();
    db.exec('COMMIT');
    return { db, owner };
  } catch (error) {
    db.close();
    throw error;
  }
}

function send(message: FromWriter): void {
  port?.postMessage(message);
}

function close(): void {
  try {
    begin(db);
    db.prepare('DELETE FROM pins WHERE owner = ?').run(owner.id);
    db.exec('COMMIT');
  } catch {
    // Without room: the next opening takes them for those of a dead process.
  }
  owner.leave();
  db.close();
  send({ closed: true });
  port?.close();
}
