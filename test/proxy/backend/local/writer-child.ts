/**
 * A process that writes objects until it is killed, and prints one line of JSON for each that was acknowledged, one before
 * each deletion (which may be committed when the kill comes) and one when the deletion was acknowledged.
 * Arguments: directory, seed. Key and size tell the bytes (`childBody`), so that the parent can check them.
 */
import { writeSync } from 'node:fs';
import { openLocalBackend } from '../../../../proxy/backend/local/local.ts';
import { childBody } from './child-body.ts';
import { send, streamed } from './harness.ts';

const [directory = '', seed = '0'] = process.argv.slice(2);
const backend = await openLocalBackend({ directory });
let next = 0;

async function write(writer: number): Promise<void> {
  for (;;) {
    const n = next++;
    // A few keys are written again and again, so that replaced files are unlinked all the while.
    const key = n % 3 === 0 ? `hot/${writer}` : `cold/${seed}/${n}`;
    const size = [10, 4096, 70_000, 400_000, 1_500_000][n % 5] ?? 0;
    const tag = `${seed}-${n}`;
    const body = childBody(tag, size);
    const headers = { 'x-amz-meta-tag': tag };
    const put = await send(backend, 'PUT', { bucket: 'kill', key, body: streamed(body, 65_536), headers });
    if (put.status !== 200) throw new Error(put.text);
    writeSync(1, `${JSON.stringify({ key, tag, size })}\n`);
    if (n % 7 === 6) {
      writeSync(1, `${JSON.stringify({ key, tag, size, deleting: true })}\n`);
      await send(backend, 'DELETE', { bucket: 'kill', key });
      writeSync(1, `${JSON.stringify({ key, deleted: true })}\n`);
    }
  }
}

await Promise.all([0, 1, 2, 3, 4, 5].map(write));
