/** A process that, on each line of its input, tries to create the object named there, and prints the status. */
import { createInterface } from 'node:readline';
import { openLocalBackend } from '../../../../proxy/backend/local/local.ts';
import { send } from './harness.ts';

const [directory = '', name = ''] = process.argv.slice(2);
const backend = await openLocalBackend({ directory });
console.log('ready');
for await (const key of createInterface({ input: process.stdin })) {
  const put = await send(backend, 'PUT', { bucket: 'race', key, body: name, headers: { 'if-none-match': '*' } });
  console.log(put.status);
}
await backend.close();
