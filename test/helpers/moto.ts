/** moto_server as a backend for tests: quick and widely available, but it checks neither signatures nor most conditions. */
import { randomBytes } from 'node:crypto';
import { type ChildServer, freePort, startChild } from './child-server.ts';

/** `undefined`, with one printed line, when moto_server is not installed. */
export async function startMoto(): Promise<ChildServer | undefined> {
  const port = await freePort();
  const endpoint = new URL(`http://127.0.0.1:${port}`);
  const child = await startChild({
    command: 'moto_server',
    args: ['-H', '127.0.0.1', '-p', String(port)],
    env: {},
    endpoint,
    startMs: 30_000,
  });
  if (child === undefined) {
    console.log('moto_server is not installed: tests against it are left out');
    return undefined;
  }
  const accessKeyId = `test${randomBytes(8).toString('hex')}`;
  return { endpoint, accessKeyId, secretAccessKey: randomBytes(20).toString('hex'), stop: child.stop };
}
