// Protects: a change of a keyring that one worker made is known to all other workers of the server, and nothing else is told.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { onWorkersChange, tellWorkers } from '../../../proxy/keyring/worker-changes.ts';

it('reaches every other worker, and not the one that made it', async () => {
  const child = fileURLToPath(new URL('./worker-child.ts', import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [child], { timeout: 25_000 });
  const tenant = 'ab'.repeat(12);
  expect(JSON.parse(stdout)).toEqual([`2: ${tenant} 7`, `3: ${tenant} 7`]);
});

it('is for nobody in a server of one process', () => {
  const heard: unknown[] = [];
  const stop = onWorkersChange((...change) => heard.push(change));
  tellWorkers('ab'.repeat(12), 7);
  stop();
  expect(heard).toEqual([]);
});
