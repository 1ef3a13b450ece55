/** The thread that computes MD5s: block after block out of shared memory, for several streams in the order of their blocks. */
import { Buffer } from 'node:buffer';
import { createHash, type Hash } from 'node:crypto';
import { parentPort } from 'node:worker_threads';
import type { FromMd5Thread, ToMd5Thread } from './md5-protocol.ts';

const port = parentPort;
if (port === null) throw new Error('this module is the entry of a worker thread');
const streams = new Map<number, { readonly hash: Hash; readonly blocks: readonly Buffer[] }>();

port.on('message', (message: ToMd5Thread) => {
  const { id } = message;
  if ('blocks' in message) {
    streams.set(id, { hash: createHash('md5'), blocks: message.blocks.map((block) => Buffer.from(block)) });
    return;
  }
  const stream = streams.get(id);
  if (stream === undefined) throw new Error('a stream that was not begun');
  if ('block' in message) {
    const memory = stream.blocks[message.block];
    if (memory === undefined) throw new Error('a block that was not lent');
    stream.hash.update(memory.subarray(0, message.bytes));
    send({ id, free: message.block });
    return;
  }
  streams.delete(id);
  send({ id, md5: stream.hash.digest() });
});

function send(message: FromMd5Thread): void {
  port?.postMessage(message);
}
