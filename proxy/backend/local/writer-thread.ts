/**
 * The writer thread: the only writer of the index in this process. It takes whatever mutations have arrived and commits
 * them as one group, so that fsync blocks neither the event loop nor more than one group at a time.
 */
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { LOCAL_GROUP_COMMIT } from '../../limits.ts';
import { makeFolders } from './folders.ts';
import { begin, commitGroup } from './group-commit.ts';
import { registerOwner, sweep } from './owner.ts';
import { openIndexForWriting } from './schema.ts';
import { Transaction } from './transaction.ts';
import type { FromWriter, MutationMessage, ToWriter } from './writer-protocol.ts';

const port = parentPort;
if (port === null) throw new Error('this module is the entry of a worker thread');
const { directory } = workerData as { directory: string };

makeFolders(directory);
const db = openIndexForWriting(directory);
begin(db);
const owner = registerOwner(directory);
sweep(directory, db);
db.exec('COMMIT');
const tx = new Transaction(db, owner.id);

port.on('message', (first: ToWriter) => {
  const group: MutationMessage[] = [];
  let message: ToWriter | undefined = first;
  while (message !== undefined && 'id' in message) {
    group.push(message);
    message =
      group.length < LOCAL_GROUP_COMMIT ? (receiveMessageOnPort(port)?.message as ToWriter | undefined) : undefined;
  }
  if (group.length > 0) send(commitGroup(db, tx, group));
  if (message !== undefined) close();
});
send({ ready: { owner: owner.id } });

function send(message: FromWriter): void {
  port?.postMessage(message);
}

function close(): void {
  begin(db);
  db.prepare('DELETE FROM pins WHERE owner = ?').run(owner.id);
  db.exec('COMMIT');
  owner.leave();
  db.close();
  send({ closed: true });
  port?.close();
}
