/** In place of an MD5 thread: gives two blocks back unread, and ends at the third. */
import { parentPort } from 'node:worker_threads';
import type { ToMd5Thread } from '../../proxy/body/md5-protocol.ts';

let blocks = 0;
parentPort?.on('message', (message: ToMd5Thread) => {
  if (!('block' in message)) return;
  blocks += 1;
  if (blocks === 3) process.exit(1);
  parentPort?.postMessage({ id: message.id, free: message.block });
});
